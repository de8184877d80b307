/**
 * The way from the top of a tree down to the directory that is being read, which is the working directory. However deep it is, few
 * descriptors are open: those of the lowest levels. Above them the way back up goes by "..", and it is checked that it leads to where
 * we came from: whoever changes the tree may move directories.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import { fchdir } from './posix-calls.js';
import { bytesOf } from './scoped-path.js';

/** Of one descent. Hardly any tree is deeper, and the usual limit of a process is 1024. */
const MAX_OPEN = 128;
const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

interface Level {
  /** Byte string, for errors. */
  readonly path: string;
  readonly dev: bigint;
  readonly ino: bigint;
  /** Undefined while it is closed because there are many below. */
  fd: number | undefined;
}

/** Changes the working directory of the thread and does not change it back. */
export class Descent {
  readonly #levels: Level[] = [];

  /** Goes into a directory of the working directory, or the top. The descriptor is ours from now on, also after an error. */
  enter(fd: number, path: string): void {
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      fchdir(fd);
      this.#levels.push({ path, dev, ino, fd });
    } catch (e) {
      closeSync(fd);
      throw e;
    }
    const distant = this.#levels.at(-1 - MAX_OPEN);
    if (distant) close(distant);
  }

  /** Goes back up; throws 'aborted' when the directory is not where it was and the one above it is lost. */
  leave(): void {
    const left = this.#levels.pop();
    if (left) close(left);
    const above = this.#levels.at(-1);
    if (above === undefined) return;
    above.fd ??= openedAbove(above, left?.path ?? '');
    fchdir(above.fd);
  }

  /** The working directory stays what it is. */
  close(): void {
    for (const level of this.#levels) close(level);
    this.#levels.length = 0;
  }
}

function openedAbove(above: Level, path: string): number {
  const fd = openSync('..', DIRECTORY);
  const { dev, ino } = fstatSync(fd, { bigint: true });
  if (dev === above.dev && ino === above.ino) return fd;
  closeSync(fd);
  const shown = bytesOf(path.length > 200 ? `${path.slice(0, 200)}...` : path).toString('utf8');
  throw new SwarmtsError('aborted', `'${shown}' was moved while it was read: try again when nobody changes the files`);
}

function close(level: Level): void {
  if (level.fd !== undefined) closeSync(level.fd);
  level.fd = undefined;
}
