/** `swarmts cp`: archives between the file system here and a container. */
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, posix, resolve } from 'node:path';
import { bool } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { pack, unpack } from '../../container/local-archive.js';
import type { Context } from '../../context.js';
import { CommandError } from '../../exit.js';

const STAT_HEADER = 'x-docker-container-path-stat';
/** Go's bit for directories and links. */
const MODE_DIRECTORY = 2 ** 31;
const MODE_LINK = 2 ** 27;

interface Place {
  readonly container: string;
  readonly path: string;
}

export const command = defineCommand({
  synopsis: 'CONTAINER:SRC_PATH DEST_PATH|-\n\tswarmts cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  flags: {
    archive: bool('Archive mode (copy all uid/gid information)', { short: 'a' }),
    'follow-link': bool('Always follow symbol link in SRC_PATH', { short: 'L' }),
    quiet: bool('Suppress progress output during copy', { short: 'q' }),
  },
  arity: exactly(2),
  completes: 'container',
  async run(ctx, f, [from = '', to = '']) {
    const [source, target] = [placeOf(from), placeOf(to)];
    if (source.container !== '' && target.container !== '') {
      throw new CommandError('copying between containers is not supported');
    }
    if (source.container === '' && target.container === '') {
      throw new CommandError('must specify at least one container source');
    }
    if (source.container !== '') await copyOut(ctx, source, to, f['follow-link']);
    else await copyIn(ctx, from, target, f);
  },
});

/** "container:path"; what begins like a path is one, colons or not. */
export function placeOf(text: string): Place {
  const at = text.indexOf(':');
  if (at <= 0 || text.startsWith('/') || text.startsWith('.')) return { container: '', path: text };
  return { container: text.slice(0, at), path: text.slice(at + 1) };
}

async function statOf(ctx: Context, p: Place): Promise<{ mode: number; linkTarget: string; name: string } | undefined> {
  try {
    const response = await ctx.api.open('HEAD', archivePath(p), { query: { path: p.path } });
    response.resume();
    const header = String(response.headers[STAT_HEADER] ?? '');
    return JSON.parse(Buffer.from(header, 'base64').toString()) as { mode: number; linkTarget: string; name: string };
  } catch {
    return undefined;
  }
}

const archivePath = (p: Place) => `/containers/${encodeURIComponent(p.container)}/archive`;
const isDirectory = (mode: number) => Math.floor(mode / MODE_DIRECTORY) % 2 === 1;
const isLink = (mode: number) => Math.floor(mode / MODE_LINK) % 2 === 1;

async function copyOut(ctx: Context, source: Place, to: string, follow: boolean): Promise<void> {
  const stat = await statOf(ctx, source);
  const wanted = follow && stat && isLink(stat.mode) ? stat.linkTarget : source.path;
  // The root has no name of its own.
  const path = posix.normalize(`/${wanted}`) === '/' ? '/.' : wanted;
  const archive = await ctx.api.open('GET', archivePath(source), { query: { path } });
  if (to === '-') {
    await ctx.out.pipe(archive);
    return;
  }
  const name = /(^|\/)\.$/.test(path) ? '.' : posix.basename(posix.normalize(path));
  const into = existsSync(to) && statSync(to).isDirectory();
  if (!into && !existsSync(dirname(resolve(to)))) {
    throw new CommandError(`invalid output path: directory "${dirname(to)}" does not exist`);
  }
  if (!into && to.endsWith('/')) throw new CommandError(`invalid output path: directory "${to}" does not exist`);
  // An existing directory takes it under its own name, anything else is the new name; "." stands for what is in it.
  // A link that is followed keeps its name.
  const ownName = wanted === source.path ? name : posix.basename(source.path);
  const [directory, newName] = into ? [to, ownName] : [dirname(resolve(to)), basename(resolve(to))];
  if (stat && isDirectory(stat.mode) && !into && existsSync(to)) throw new CommandError('cannot copy directory');
  await unpack(directory, { from: name, to: newName }, archive);
}

async function copyIn(
  ctx: Context,
  from: string,
  target: Place,
  f: { readonly archive: boolean; readonly 'follow-link': boolean },
): Promise<void> {
  const stat = await statOf(ctx, target);
  const resolved = stat && isLink(stat.mode) ? await statOf(ctx, { ...target, path: stat.linkTarget }) : stat;
  const path = stat && isLink(stat.mode) ? stat.linkTarget : target.path;
  const into = resolved !== undefined && isDirectory(resolved.mode);
  const query = { noOverwriteDirNonDir: true, copyUIDGID: f.archive || undefined };
  if (from === '-') {
    if (!into) throw new CommandError(`destination "${target.container}:${target.path}" must be a directory`);
    await ctx.api.json('PUT', archivePath(target), { query: { ...query, path }, stream: ctx.stdin() });
    return;
  }
  const local = (f['follow-link'] ? statSync : lstatSync)(from, { throwIfNoEntry: false });
  if (!local) throw new CommandError(`lstat ${from}: no such file or directory`);
  if (!into && target.path.endsWith('/') && !local.isDirectory()) throw new CommandError('no such directory');
  if (!into && resolved && local.isDirectory()) throw new CommandError('cannot copy directory');
  const contents = /(^|\/)\.$/.test(from) && local.isDirectory();
  const name = basename(resolve(from));
  const newName = into ? (contents ? '.' : name) : posix.basename(path);
  // A link with a slash behind it is what it leads to.
  const real = from.endsWith('/') ? realpathSync(from) : resolve(from);
  const place = contents ? { directory: from, entry: '.' } : { directory: dirname(real), entry: basename(real) };
  const into2 = into ? path : posix.dirname(path);
  await pack(place.directory, place.entry, { newName, followLinks: f['follow-link'] }, (stream) =>
    ctx.api.json('PUT', archivePath(target), { query: { ...query, path: into2 }, stream }),
  );
}
