/** Archives of what is here, packed and unpacked by GNU tar, which keeps links and the holes of files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CommandError, errorText } from '../exit.js';

/** GNU tar ends with 1 when a file changed while it was read, which it has said; everything above is a failure. */
const CHANGED_CODE = 1;

export interface Renaming {
  /** The first component of the names in the archive. */
  readonly from: string;
  readonly to: string;
}

/**
 * Packs `entry` of `directory`, under its new name, and gives the archive to `send`. Throws CommandError when not everything could be
 * packed, and what `send` throws.
 */
export async function pack(
  directory: string,
  entry: string,
  o: { readonly newName: string; readonly followLinks: boolean },
  send: (archive: Readable) => Promise<void>,
): Promise<void> {
  const follow = o.followLinks ? ['-h'] : [];
  const rename = renaming({ from: entry, to: o.newName });
  const args = ['-c', '-f', '-', ...follow, '-C', directory, ...rename, '--', entry];
  const child = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = endOf(child);
  try {
    await once(child, 'spawn').catch(noTar);
    await send(child.stdout);
  } catch (e) {
    child.kill();
    throw e;
  }
  // Whoever got the end of the archive has got all of it, or tar says otherwise.
  child.stdout.unpipe().resume();
  const code = await ended;
  if (code > CHANGED_CODE) throw new CommandError(`not everything of ${entry} was copied: tar ended with code ${code}`);
}

/** Unpacks what comes, as the caller's own. Throws CommandError when it does not come whole, or cannot be written. */
export async function unpack(directory: string, r: Renaming, archive: Readable): Promise<void> {
  const args = ['-x', '-p', '--no-same-owner', '-f', '-', '-C', directory, ...renaming(r)];
  const child = spawn('tar', args, { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = endOf(child);
  await once(child, 'spawn').catch(noTar);
  let broken: unknown;
  await pipeline(archive, child.stdin).catch((e: NodeJS.ErrnoException) => {
    // Tar has stopped reading: it says itself why.
    if (e.code !== 'EPIPE') broken = e;
  });
  const code = await ended;
  if (broken !== undefined)
    throw new CommandError(`the archive from the container broke off, and what came of it stays: ${errorText(broken)}`);
  if (code !== 0) throw new CommandError(`what came from the container was not unpacked: tar ended with code ${code}`);
}

/** The code that a child ends with; of one that a signal ended the one that shells give it. */
async function endOf(child: ChildProcess): Promise<number> {
  return await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 128)));
}

function noTar(e: unknown): never {
  throw new CommandError(`cannot run tar, which packs and unpacks what is copied: ${errorText(e)}`);
}

/** The names of entries and the targets of hard links, which are names of entries, but not those of symbolic links. */
function renaming({ from, to }: Renaming): readonly string[] {
  if (from === to) return [];
  const pattern = from.replaceAll(/[.*^$[\]\\,]/g, '\\$&');
  const replacement = to.replaceAll(/[&\\,]/g, '\\$&');
  return [`--transform=flags=rSh;s,^${pattern}\\(/\\|$\\),${replacement}\\1,`];
}
