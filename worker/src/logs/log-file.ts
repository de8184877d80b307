/** One file of a log, open for reading. A compressed one is unpacked when somebody looks into it, and not before. */
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from '@swarmts/lib';
import { COMPRESSED, identityOf, originalIdentity, unpackLogFile } from './log-compression.js';
import { rotatedPath } from './log-files.js';

export class LogFile {
  /** The same for a file, wherever it was moved, and what it was compressed to. */
  readonly identity: string;
  readonly #handle: FileHandle;
  readonly #unpack: (() => Promise<FileHandle>) | undefined;
  #content: Promise<FileHandle> | undefined;

  private constructor(identity: string, handle: FileHandle, unpack?: () => Promise<FileHandle>) {
    this.identity = identity;
    this.#handle = handle;
    this.#unpack = unpack;
  }

  /** Undefined when there is none of this index. */
  static async open(logPath: string, index: number): Promise<LogFile | undefined> {
    const path = rotatedPath(logPath, index);
    const plain = await openIfThere(path);
    if (plain) return closeOnFailure(plain, async () => new LogFile(await identityOf(plain), plain));
    const packedPath = path + COMPRESSED;
    const packed = index > 0 ? await openIfThere(packedPath) : undefined;
    if (!packed) return undefined;
    return closeOnFailure(packed, async () => {
      const identity = await originalIdentity(packed, packedPath);
      return new LogFile(identity, packed, () => unpackLogFile(packed, packedPath));
    });
  }

  async read(buffer: Buffer, lengthBytes: number, offset: number): Promise<number> {
    return (await (await this.#open()).read(buffer, 0, lengthBytes, offset)).bytesRead;
  }

  async sizeBytes(): Promise<number> {
    return (await (await this.#open()).stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
    const unpacked = this.#unpack && (await this.#content?.catch(() => undefined));
    await unpacked?.close();
  }

  #open(): Promise<FileHandle> {
    this.#content ??= this.#unpack?.() ?? Promise.resolve(this.#handle);
    return this.#content;
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return undefined;
    throw e;
  }
}

async function closeOnFailure(handle: FileHandle, work: () => Promise<LogFile>): Promise<LogFile> {
  try {
    return await work();
  } catch (e) {
    await handle.close();
    throw e;
  }
}
