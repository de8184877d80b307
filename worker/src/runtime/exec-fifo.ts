/**
 * The release of a container that the OCI runtime has created. Its init waits at the named pipe `exec.fifo` in the container's state
 * directory: runc's in an open for writing, until somebody reads from it; crun's for a byte to read. Whoever brings that about takes the
 * pipe away as the mark that it did. That is all that the runtime's `start` does for a container without hooks, and a process of its
 * own costs a multiple of it.
 */
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { type Clock, errnoOf, sleep } from '@swarmts/lib';

/** Init writes as soon as the scheduler lets it; later than this something is wrong, and the runtime knows what. */
const LONGEST_WAIT_MS = 1_000;
const FIRST_DELAY_MS = 0;
const DELAY_MS = 1;

/**
 * runc's way. True when the container runs now. False when there is no such pipe or nobody wrote into it: the OCI runtime's own `start`
 * is to be asked, which says why.
 */
export async function releaseWriter(fifo: string, clock: Clock): Promise<boolean> {
  const fd = openFifo(fifo, constants.O_RDONLY);
  if (fd === undefined) return false;
  try {
    const end = clock.monotonic() + LONGEST_WAIT_MS;
    for (let delay = FIRST_DELAY_MS; ; delay = DELAY_MS) {
      // Asked before the look: we may have slept longer than the wait, and init has written meanwhile.
      const isLast = clock.monotonic() >= end;
      if (hasByte(fd)) {
        unlinkSync(fifo);
        return true;
      }
      if (isLast) return false;
      await sleep(clock, delay);
    }
  } finally {
    closeSync(fd);
  }
}

/** crun's way; the same answers. It has the pipe open from when it was created. */
export function releaseReader(fifo: string): boolean {
  const fd = openFifo(fifo, constants.O_WRONLY);
  if (fd === undefined) return false;
  try {
    // In this order a death in between leaves a container that runs.
    writeSync(fd, Buffer.alloc(1));
    unlinkSync(fifo);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is none, or, for writing, nobody who reads. */
function openFifo(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_NONBLOCK);
  } catch (e) {
    if (errnoOf(e) === 'ENOENT' || errnoOf(e) === 'ENXIO') return undefined;
    throw e;
  }
}

/** Nothing to read yet is EAGAIN with a writer, and an empty read without one. */
function hasByte(fd: number): boolean {
  try {
    return readSync(fd, Buffer.alloc(1)) > 0;
  } catch (e) {
    if (errnoOf(e) === 'EAGAIN') return false;
    throw e;
  }
}
