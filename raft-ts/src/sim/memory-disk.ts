// A disk in memory that forgets, when the power fails, what was not synced: the unsynced end of a file survives up to
// some point, may read as zeros, and renames that no directory sync has confirmed may be undone. What was synced stays.
import { dirname } from 'node:path';
import { RaftError } from '../errors.js';
import type { Disk, DiskFile } from '../storage/disk.js';
import type { Random } from './random.js';

interface MemoryFile {
  content: Uint8Array;
  synced: number;
}

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly file: MemoryFile }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string; readonly file: MemoryFile }
  | { readonly kind: 'unlink'; readonly path: string };

export interface MemoryDiskOptions {
  /** Runs `done` when the operation is over; default: at once. Never, for a machine that lost power. */
  readonly schedule?: (operation: 'write' | 'sync' | 'other', done: () => void) => void;
}

export class MemoryDisk implements Disk {
  readonly #options: MemoryDiskOptions;
  #names = new Map<string, MemoryFile>();
  /** Names as they are known to survive. */
  #durableNames = new Map<string, MemoryFile>();
  #nameChanges: NameChange[] = [];
  #isDead = false;
  /** Thrown by the next operation of that kind. */
  #failNext: { operation: 'write' | 'sync' | 'other'; error: Error } | undefined;

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
  }

  failNext(operation: 'write' | 'sync' | 'other', error: Error): void {
    this.#failNext = { operation, error };
  }

  /** Cuts the power: operations under way never end. Returns the disk as found afterwards. */
  crash(random: Random, options: MemoryDiskOptions = this.#options): MemoryDisk {
    this.#isDead = true;
    const after = new MemoryDisk(options);
    const names = new Map(this.#durableNames);
    // A journal keeps the order: some first part of the unconfirmed changes of names has made it.
    for (const change of this.#nameChanges.slice(0, random.below(this.#nameChanges.length + 1))) {
      applyChange(names, change);
    }
    for (const [path, file] of names) {
      const content = crashContent(file, random);
      const survivor = { content, synced: content.length };
      after.#names.set(path, survivor);
      after.#durableNames.set(path, survivor);
    }
    return after;
  }

  /** An independent copy, as if everything had been synced. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [path, file] of this.#names) {
      const survivor = { content: file.content.slice(), synced: file.content.length };
      copy.#names.set(path, survivor);
      copy.#durableNames.set(path, survivor);
    }
    return copy;
  }

  paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  contentOf(path: string): Uint8Array {
    return this.#find(path).content;
  }

  /** Replaces a file's content, as damage does. */
  damage(path: string, content: Uint8Array): void {
    const file = this.#find(path);
    file.content = content;
    file.synced = content.length;
  }

  async makeDirectory(_path: string): Promise<void> {
    await this.#finish('other');
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#finish('other');
    return [...this.#names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(directory.length + 1));
  }

  async size(path: string): Promise<number> {
    await this.#finish('other');
    return this.#find(path).content.length;
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    await this.#finish('other');
    return this.#find(path).content.slice(offset, offset + length);
  }

  async create(path: string): Promise<DiskFile> {
    await this.#finish('other');
    const file: MemoryFile = { content: new Uint8Array(0), synced: 0 };
    this.#change({ kind: 'link', path, file });
    return this.#handle(file);
  }

  async openAt(path: string, length: number): Promise<DiskFile> {
    await this.#finish('other');
    const file = this.#find(path);
    file.content = file.content.slice(0, length);
    file.synced = length;
    return this.#handle(file);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#finish('other');
    this.#change({ kind: 'rename', from, path: to, file: this.#find(from) });
  }

  async remove(path: string): Promise<void> {
    await this.#finish('other');
    this.#find(path);
    this.#change({ kind: 'unlink', path });
  }

  async syncDirectory(_path: string): Promise<void> {
    await this.#finish('sync');
    for (const change of this.#nameChanges) applyChange(this.#durableNames, change);
    this.#nameChanges = [];
  }

  #handle(file: MemoryFile): DiskFile {
    return {
      append: async (bytes) => {
        const grown = new Uint8Array(file.content.length + bytes.length);
        grown.set(file.content);
        grown.set(bytes, file.content.length);
        // In the page cache at once: a crash during the operation may leave part of it.
        file.content = grown;
        await this.#finish('write');
      },
      sync: async () => {
        const { length } = file.content;
        await this.#finish('sync');
        file.synced = Math.max(file.synced, length);
      },
      truncate: async (length) => {
        await this.#finish('other');
        file.content = file.content.slice(0, length);
        file.synced = Math.min(file.synced, length);
      },
      close: async () => await this.#finish('other'),
    };
  }

  #change(change: NameChange): void {
    applyChange(this.#names, change);
    this.#nameChanges.push(change);
  }

  #find(path: string): MemoryFile {
    const file = this.#names.get(path);
    if (file === undefined) throw new RaftError('io', `no such file: ${path}`);
    return file;
  }

  async #finish(operation: 'write' | 'sync' | 'other'): Promise<void> {
    const failure = this.#failNext;
    if (failure?.operation === operation) {
      this.#failNext = undefined;
      throw failure.error;
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        if (!this.#isDead) resolve();
      };
      if (this.#options.schedule === undefined) done();
      else this.#options.schedule(operation, done);
    });
  }
}

function applyChange(names: Map<string, MemoryFile>, change: NameChange): void {
  if (change.kind === 'rename') names.delete(change.from);
  if (change.kind === 'unlink') names.delete(change.path);
  else names.set(change.path, change.file);
}

const SECTOR_BYTES = 512;

function crashContent(file: MemoryFile, random: Random): Uint8Array {
  const { content, synced } = file;
  const unsynced = content.length - synced;
  if (unsynced === 0) return content.slice();
  const kept = content.slice(0, synced + random.below(unsynced + 1));
  // Sometimes the length made it to the disk, but not all sectors did.
  if (random.chance(0.3)) {
    for (let at = synced; at < kept.length; ) {
      const end = Math.min(kept.length, at + SECTOR_BYTES - (at % SECTOR_BYTES));
      if (random.chance(0.5)) kept.fill(0, at, end);
      at = end;
    }
  }
  return kept;
}
