/**
 * The files of one container's log: `container.log` is written by the monitor, `container.log.1` is the one before it, or
 * `container.log.1.gz`, and so on. Rotation renames, then tells the monitor to reopen; until it does, it goes on writing into the renamed
 * file, so no line is lost whatever dies in between. At most one index is missing at any moment.
 */
import { constants, existsSync } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { COMPRESSED, compressLogFile, UNFINISHED } from './log-compression.js';

/** conmon's control message type for "reopen your log". */
const REOPEN_LOGS = '2 0 0\n';
/** A log set never has more files; a larger max-file is cut. */
export const MAX_LOG_FILES = 100;

export function rotatedPath(logPath: string, index: number): string {
  return index === 0 ? logPath : `${logPath}.${index}`;
}

/** Bytes of the current log file, 0 when there is none. */
export async function logSizeBytes(logPath: string): Promise<number> {
  try {
    return (await stat(logPath)).size;
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return 0;
    throw e;
  }
}

/** Moves every file one index up, dropping those from `maxFiles` on, and has the monitor begin a new one. */
export async function rotateLog(logPath: string, maxFiles: number, controlFifo: string): Promise<void> {
  const keep = Math.min(Math.max(1, maxFiles), MAX_LOG_FILES);
  if (keep === 1) {
    // Nothing may be kept: readers that hold the old file still finish it.
    await rm(logPath, { force: true });
  } else await moveUp(logPath, keep);
  await reopenLog(controlFifo);
  await dropBeyond(logPath, keep);
}

/** Up to the first index that is free: a rotation that was cut short leaves one, and the next one fills it. */
async function moveUp(logPath: string, keep: number): Promise<void> {
  let free = 1;
  while (free < keep - 1 && variantsOf(logPath, free).some((path) => existsSync(path))) free++;
  for (const path of variantsOf(logPath, free)) await rm(path, { force: true });
  for (let i = free - 1; i > 0; i--) {
    const above = variantsOf(logPath, i + 1);
    for (const [v, path] of variantsOf(logPath, i).entries()) await renameIfThere(path, above[v] ?? path);
  }
  await renameIfThere(logPath, rotatedPath(logPath, 1));
}

function variantsOf(logPath: string, index: number): readonly string[] {
  const path = rotatedPath(logPath, index);
  return [path, path + COMPRESSED];
}

/** Compresses what was rotated away. Nobody writes into it once the monitor has begun the new file: it has closed the old one before. */
export async function compressRotated(logPath: string): Promise<void> {
  for (let i = 1; existsSync(logPath) && i < MAX_LOG_FILES && existsSync(rotatedPath(logPath, i)); i++)
    await compressLogFile(rotatedPath(logPath, i));
}

/** Tells the monitor to open `container.log` again. A monitor that is gone has nothing to reopen. */
export async function reopenLog(controlFifo: string): Promise<void> {
  await tellMonitor(controlFifo, REOPEN_LOGS);
}

/** Gives the container's terminal a size. */
export async function resizeConsole(
  controlFifo: string,
  size: { readonly rows: number; readonly columns: number },
): Promise<void> {
  await tellMonitor(controlFifo, `1 ${size.rows} ${size.columns}\n`);
}

async function tellMonitor(controlFifo: string, message: string): Promise<void> {
  try {
    // Without O_NONBLOCK the open would wait for a reader that may never come.
    const fifo = await open(controlFifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await fifo.write(message);
    } finally {
      await fifo.close();
    }
  } catch (e) {
    if (errnoOf(e) === 'ENXIO' || errnoOf(e) === 'ENOENT') return;
    throw new SwarmtsError('internal', `cannot reach the monitor at ${controlFifo}`, { cause: e });
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (e) {
    if (errnoOf(e) !== 'ENOENT') throw e;
  }
}

async function dropBeyond(logPath: string, keep: number): Promise<void> {
  const prefix = `${basename(logPath)}.`;
  for (const name of await readdir(dirname(logPath))) {
    if (!name.startsWith(prefix)) continue;
    const [, index] = /^(\d+)(?:\.gz)?$/.exec(name.slice(prefix.length)) ?? [];
    const isTooMany = index !== undefined && Number(index) >= keep;
    if (isTooMany || name.endsWith(UNFINISHED)) await rm(join(dirname(logPath), name), { force: true });
  }
}
