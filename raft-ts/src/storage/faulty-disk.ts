// A disk that fails on purpose, around any other: a chosen operation ends in an error, or there is no more room than
// so many bytes. What a failed write leaves behind is left behind here, too: its first half.
import type { Disk, DiskFile } from './disk.js';

export type Operation = 'write' | 'sync' | 'other';

interface Extent {
  sizeBytes: number;
}

function errorOf(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

export class FaultyDisk implements Disk {
  readonly #disk: Disk;
  /** How many operations of each kind were begun. */
  readonly counts: Record<Operation, number> = { write: 0, sync: 0, other: 0 };
  readonly #fault: { readonly operation: Operation; readonly at: number; readonly code: string } | undefined;
  /** Bytes that all files may have together; set it to give or take room. */
  quotaBytes = Number.POSITIVE_INFINITY;
  /** What each file takes; a file keeps its record when its name changes. */
  readonly #files = new Map<string, Extent>();
  readonly openReserved?: (path: string, length: number, reserveBytes: number) => Promise<DiskFile>;

  /** `fault`: the operation with the number `at` (from 1) of its kind fails with the code. */
  constructor(disk: Disk, fault?: { readonly operation: Operation; readonly at: number; readonly code: string }) {
    this.#disk = disk;
    this.#fault = fault;
    const { openReserved } = disk;
    if (openReserved === undefined) return;
    this.openReserved = async (path, length, reserveBytes) => {
      this.#begin('write');
      const extent = this.#files.get(path) ?? { sizeBytes: 0 };
      extent.sizeBytes = length;
      this.#take(extent, reserveBytes);
      this.#files.set(path, extent);
      return this.#wrap(extent, await openReserved(path, length, reserveBytes), length);
    };
  }

  get usedBytes(): number {
    return [...this.#files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Throws if the operation is the one to fail. */
  #begin(operation: Operation): void {
    this.counts[operation] += 1;
    if (this.#fault?.operation !== operation || this.#fault.at !== this.counts[operation]) return;
    throw errorOf(this.#fault.code, `${operation} ${this.#fault.at} fails`);
  }

  /** The file takes `sizeBytes` from now on, if it did not already. */
  #take(extent: Extent, sizeBytes: number): void {
    const more = sizeBytes - extent.sizeBytes;
    if (more <= 0) return;
    if (this.usedBytes + more > this.quotaBytes) throw errorOf('ENOSPC', `no room for ${more} bytes more`);
    extent.sizeBytes = sizeBytes;
  }

  #wrap(extent: Extent, file: DiskFile, openedAt: number): DiskFile {
    let length = openedAt;
    return {
      append: async (bytes) => {
        try {
          this.#begin('write');
          this.#take(extent, length + bytes.length);
        } catch (error) {
          await file.append(bytes.slice(0, bytes.length >> 1));
          throw error;
        }
        await file.append(bytes);
        length += bytes.length;
      },
      sync: async () => {
        this.#begin('sync');
        await file.sync();
      },
      truncate: async (to) => {
        await file.truncate(to);
        length = to;
        extent.sizeBytes = to;
      },
      close: async () => await file.close(),
    };
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#disk.makeDirectory(path);
  }

  async list(directory: string): Promise<readonly string[]> {
    return await this.#disk.list(directory);
  }

  async size(path: string): Promise<number> {
    return await this.#disk.size(path);
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return await this.#disk.read(path, offset, length);
  }

  async create(path: string): Promise<DiskFile> {
    this.#begin('other');
    const extent = { sizeBytes: 0 };
    this.#files.set(path, extent);
    return this.#wrap(extent, await this.#disk.create(path), 0);
  }

  async openAt(path: string, length: number): Promise<DiskFile> {
    this.#begin('other');
    const extent = { sizeBytes: length };
    this.#files.set(path, extent);
    return this.#wrap(extent, await this.#disk.openAt(path, length), length);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin('other');
    await this.#disk.rename(from, to);
    const extent = this.#files.get(from);
    this.#files.delete(from);
    if (extent !== undefined) this.#files.set(to, extent);
  }

  async remove(path: string): Promise<void> {
    this.#begin('other');
    await this.#disk.remove(path);
    this.#files.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#begin('sync');
    await this.#disk.syncDirectory(path);
  }
}
