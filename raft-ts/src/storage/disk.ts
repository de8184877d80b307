// The few file operations that the log needs, as an interface, so that a simulated disk can lose what was not synced.
// `nodeDisk` is the real one.
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { type DirectoryLock, lockDirectory } from './directory-lock.js';
import { diskError } from './disk-error.js';
import { SyncThread } from './sync-thread.js';

/** A file that is written from its beginning to its end. One call at a time. */
export interface DiskFile {
  /** Throws a RaftError `no-space` (or ENOSPC) if there was no room: then `truncate` and try again. */
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything appended so far would survive a power cut. */
  sync(): Promise<void>;
  /** Both at once, where that is cheaper. The bytes are handed over: do not use them again. */
  appendAndSync?(bytes: Uint8Array): Promise<void>;
  /** Forgets what was appended beyond `length`; room reserved beyond it goes, too. */
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no particular order. */
  list(directory: string): Promise<readonly string[]>;
  size(path: string): Promise<number>;
  /** Up to `length` bytes from `offset` on; fewer only at the end of the file. */
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** A new, empty file; one of that name is emptied. */
  create(path: string): Promise<DiskFile>;
  /** An existing file, cut to `length` bytes. */
  openAt(path: string, length: number): Promise<DiskFile>;
  /**
   * Like `openAt` (a new file if there is none), and zeros up to `reserveBytes` are on disk behind `length`, so that
   * appends neither run out of room nor change the file's size. Disks without it let files grow.
   */
  openReserved?(path: string, length: number, reserveBytes: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes what was created, renamed and removed in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>;
  /** Keeps other processes out of a directory. Disks without it are nobody else's. */
  lock?(directory: string): Promise<DirectoryLock>;
  /** Ends what the disk has started for itself. */
  close?(): Promise<void>;
}

/** Files hold the group's state, secrets included: for their owner only. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** Zeros are written in pieces, so that no write keeps the disk for long. */
const ZEROS = new Uint8Array(1024 * 1024);

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;
  #length: number;

  constructor(handle: FileHandle, length: number) {
    this.#handle = handle;
    this.#length = length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await failing('write', async () => await writeAll(this.#handle, bytes, this.#length));
    this.#length += bytes.length;
  }

  async sync(): Promise<void> {
    await failing('sync', async () => await this.#handle.datasync());
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length);
    this.#length = length;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** A file whose appends go through the log's own thread. */
class ThreadedFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #thread: SyncThread;
  #length: number;

  constructor(handle: FileHandle, thread: SyncThread, length: number) {
    this.#handle = handle;
    this.#thread = thread;
    this.#length = length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, false);
  }

  async appendAndSync(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, true);
  }

  async #write(bytes: Uint8Array, sync: boolean): Promise<void> {
    const { length } = bytes;
    await this.#thread.write(this.#handle.fd, this.#length, bytes, sync);
    this.#length += length;
  }

  async sync(): Promise<void> {
    await this.#write(new Uint8Array(0), true);
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length);
    this.#length = length;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function failing<T>(step: 'write' | 'sync', work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    throw diskError(step, cause instanceof Error ? cause.message : String(cause), code, cause);
  }
}

/** Plain files through libuv's pool: what a tool needs that only looks at a log, and the base of `openNodeDisk`. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  },
  async list(directory) {
    return await readdir(directory);
  },
  async size(path) {
    return (await stat(path)).size;
  },
  async read(path, offset, length) {
    const handle = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    } finally {
      await handle.close();
    }
  },
  async create(path) {
    return new NodeFile(await open(path, 'w', FILE_MODE), 0);
  },
  async openAt(path, length) {
    return new NodeFile(await openCut(path, 'r+', length, length), length);
  },
  async openReserved(path, length, reserveBytes) {
    return new NodeFile(await openCut(path, await flagsFor(path), length, reserveBytes), length);
  },
  async rename(from, to) {
    await rename(from, to);
  },
  async remove(path) {
    await unlink(path);
  },
  async syncDirectory(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  lock: lockDirectory,
};

/** The real disk with a thread of its own for the log's writes; `close` ends the thread. */
export function openNodeDisk(): Disk {
  const thread = new SyncThread();
  return {
    ...nodeDisk,
    async openReserved(path, length, reserveBytes) {
      const handle = await openCut(path, await flagsFor(path), length, reserveBytes);
      return new ThreadedFile(handle, thread, length);
    },
    async close() {
      await thread.close();
    },
  };
}

async function flagsFor(path: string): Promise<'r+' | 'w+'> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere ? 'r+' : 'w+';
}

async function openCut(path: string, flags: 'r+' | 'w+', length: number, reserveBytes: number): Promise<FileHandle> {
  const handle = await open(path, flags, FILE_MODE);
  try {
    await handle.truncate(length);
    await reserve(handle, length, reserveBytes);
    await handle.datasync();
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Real zeros, not a hole: a sync of what is written over them has no block to find and no size to note. */
async function reserve(handle: FileHandle, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += ZEROS.length) {
    await failing('write', async () => await writeAll(handle, ZEROS.subarray(0, Math.min(ZEROS.length, to - at)), at));
  }
}
