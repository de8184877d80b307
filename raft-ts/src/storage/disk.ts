// The few file operations that the log needs, as an interface, so that a simulated disk can lose what was not synced.
// `nodeDisk` is the real one.
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';

/** A file that only grows. One call at a time. */
export interface DiskFile {
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything appended so far would survive a power cut. */
  sync(): Promise<void>;
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
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes what was created, renamed and removed in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>;
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;
  #length: number;

  constructor(handle: FileHandle, length: number) {
    this.#handle = handle;
    this.#length = length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#length);
      done += bytesWritten;
      this.#length += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Files hold the cluster's state, secrets included: for their owner only. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

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
    const handle = await open(path, 'r+');
    try {
      await handle.truncate(length);
      await handle.datasync();
      return new NodeFile(handle, length);
    } catch (error) {
      await handle.close();
      throw error;
    }
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
};
