/**
 * Local volumes: `<root>/<name>/{_data,volume.json}`. With the options type, device and o a volume is a file system that is
 * mounted on `_data` while a container that runs uses it.
 */
import { chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Clock,
  errnoOf,
  KeyedLocks,
  type Logger,
  newHexId,
  SwarmtsError,
  sweepUnfinished,
  writeNewFile,
} from '@swarmts/lib';
import type { EngineEvent, VolumeInfo } from '../engine/engine-api.js';
import type { HelperApi } from '../helper/helper-api.js';
import { mountsBelow } from '../runtime/mountinfo.js';
import { removeTree } from '../snapshots/remove-tree.js';
import type { Owner } from '../userns/id-map.js';
import { mountVolume, needsMount } from './volume-mount.js';

export interface VolumeStoreOptions {
  readonly root: string;
  readonly helper: HelperApi;
  readonly clock: Clock;
  /** Who has new volumes; default: the machine's root. */
  readonly owner?: Owner | undefined;
  readonly logger: Logger;
  /** Ids of the containers that have the volume, running or not. */
  readonly users: (volume: string) => readonly string[];
  readonly emit: (e: EngineEvent) => void;
}

type VolumeRecord = Omit<VolumeInfo, 'mountpoint' | 'driver'>;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const MAX_NAME_LENGTH = 255;
const OPTIONS = ['type', 'device', 'o', 'size'];
/** What an option means nothing without. */
const NEEDED: Readonly<Record<string, string>> = { type: 'device', device: 'type', o: 'device' };
const REMOVING_PREFIX = '.removing-';
/** Beside the content, while it is being filled. */
const UNFINISHED = 'unfinished';
/** What marks a volume that nobody named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export class VolumeStore {
  readonly #options: VolumeStoreOptions;
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Containers that have a volume now. */
  readonly #holders = new Map<string, Set<string>>();
  readonly #locks = new KeyedLocks();
  readonly #fills = new KeyedLocks();

  private constructor(options: VolumeStoreOptions) {
    this.#options = options;
  }

  static async open(options: VolumeStoreOptions): Promise<VolumeStore> {
    const store = new VolumeStore(options);
    await mkdir(options.root, { recursive: true, mode: 0o701 });
    for (const name of await readdir(options.root)) await store.#load(name);
    return store;
  }

  /** Creating one that exists is no error, and leaves it as it is, whatever labels and options it was to have: as Docker's. */
  async create(v: {
    name: string;
    labels?: Readonly<Record<string, string>>;
    options?: Readonly<Record<string, string>>;
    /** Told the name before anybody can see the volume. */
    onName?: (name: string) => void;
  }): Promise<VolumeInfo> {
    const name = v.name === '' ? newHexId() : v.name;
    v.onName?.(name);
    checkName(name);
    return this.#locks.run(name, async () => {
      const known = this.#volumes.get(name);
      if (known) return this.#describe(known);
      const options = v.options ?? {};
      checkOptions(name, options);
      const labels = v.name === '' ? { [ANONYMOUS_LABEL]: '', ...v.labels } : (v.labels ?? {});
      const record: VolumeRecord = { name, labels, options, createdAtMs: this.#options.clock.now() };
      // Touches memory alone: a trip through the thread pool costs a multiple.
      mkdirSync(this.#dataPath(name), { recursive: true, mode: 0o755 });
      const { owner } = this.#options;
      if (owner) chownSync(this.#dataPath(name), owner.uid, owner.gid);
      await writeNewFile(join(this.#directory(name), 'volume.json'), JSON.stringify(record));
      this.#volumes.set(name, record);
      this.#emit('create', name);
      return this.#describe(record);
    });
  }

  async list(): Promise<readonly VolumeInfo[]> {
    return [...this.#volumes.values()].map((r) => this.#describe(r));
  }

  async find(name: string): Promise<VolumeInfo | undefined> {
    const record = this.#volumes.get(name);
    return record && this.#describe(record);
  }

  pathOf(name: string): string {
    return this.#dataPath(name);
  }

  /** `force` only makes a missing volume no error, as Docker's. */
  async remove(name: string, force: boolean): Promise<void> {
    const aside = await this.#locks.run(name, () => this.#setAside(name, force));
    // Without the lock: what takes long must not keep a new volume of this name waiting.
    if (aside !== undefined) await this.#erase(aside);
  }

  /** Resolves to where the files are that nobody can see any more. */
  async #setAside(name: string, force: boolean): Promise<string | undefined> {
    const record = this.#volumes.get(name);
    if (!record) {
      if (force) return undefined;
      throw noSuchVolume(name);
    }
    const users = this.#options.users(name);
    if (users.length > 0) {
      throw new SwarmtsError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
    }
    await this.#uncover(record);
    const aside = join(this.#options.root, `${REMOVING_PREFIX}${newHexId().slice(0, 12)}`);
    await rename(this.#directory(name), aside).catch((e: unknown) => {
      // Somebody has deleted it by hand: there is nothing left that could be in the way.
      if (errnoOf(e) !== 'ENOENT') throw e;
    });
    this.#volumes.delete(name);
    this.#emit('destroy', name);
    return aside;
  }

  /** What is mounted in a volume is somebody else's: files behind it must not go with the volume. */
  async #uncover({ name, options }: VolumeRecord): Promise<void> {
    const directory = await this.#realPath(name);
    let mounts = await mountsBelow(directory);
    if (mounts.length > 0 && needsMount(options)) {
      const data = join(directory, '_data');
      for (const m of mounts) if (m.target === data) await this.#options.helper.unmount(data);
      mounts = await mountsBelow(directory);
    }
    const [left] = mounts;
    if (!left) return;
    throw new SwarmtsError('conflict', `remove ${name}: something is mounted at ${left.target}: unmount it first`);
  }

  /** As the kernel names it. */
  async #realPath(name: string): Promise<string> {
    return join(await realpath(this.#options.root), name);
  }

  async #erase(aside: string): Promise<void> {
    const [mount] = await mountsBelow(await this.#realPath(basename(aside)));
    if (!mount) return removeTree(this.#options.helper, aside);
    this.#options.logger.warn('the files of a volume that was removed stay', { mountedAt: mount.target });
  }

  /**
   * The host path of a volume's content, mounted when it needs to be. A holder is a container that is about to run, or whose files
   * somebody is at: it holds the volume once, until `release`.
   */
  async acquire(name: string, holder: string): Promise<string> {
    return this.#locks.run(name, async () => {
      const record = this.#volumes.get(name);
      if (!record) throw noSuchVolume(name);
      const path = this.#dataPath(name);
      if (needsMount(record.options) && this.#isFree(name)) {
        await this.#options.helper.unmount(path);
        await mountVolume(this.#options, record.options, path);
      }
      this.adopt(name, holder);
      return path;
    });
  }

  /** After a restart: a container that runs has it. */
  adopt(name: string, holder: string): void {
    this.#holders.set(name, new Set(this.#holders.get(name)).add(holder));
  }

  /** Also by who does not hold it. */
  async release(name: string, holder: string): Promise<void> {
    await this.#locks.run(name, async () => {
      this.#holders.get(name)?.delete(holder);
      if (!this.#isFree(name)) return;
      this.#holders.delete(name);
      const record = this.#volumes.get(name);
      if (record && needsMount(record.options)) await this.#options.helper.unmount(this.#dataPath(name));
    });
  }

  #isFree(name: string): boolean {
    return (this.#holders.get(name)?.size ?? 0) === 0;
  }

  /** `copy` fills a volume that is empty, or that a crash has left half filled: by one container, whoever else is about to start with it. */
  async fill(name: string, copy: (path: string) => Promise<void>): Promise<void> {
    await this.#fills.run(name, async () => {
      const path = this.#dataPath(name);
      const unfinished = join(this.#directory(name), UNFINISHED);
      if (!existsSync(unfinished) && (await readdir(path)).length > 0) return;
      writeFileSync(unfinished, '');
      await copy(path);
      rmSync(unfinished);
    });
  }

  async #load(name: string): Promise<void> {
    if (name.startsWith(REMOVING_PREFIX)) {
      return this.#erase(join(this.#options.root, name));
    }
    try {
      sweepUnfinished(this.#directory(name));
      // Written by `create` alone.
      const record = JSON.parse(await readFile(join(this.#directory(name), 'volume.json'), 'utf8')) as VolumeRecord;
      this.#volumes.set(name, record);
    } catch (e) {
      // Half created: nobody has used it yet, but it is not ours to delete when it holds data.
      this.#options.logger.warn('ignoring a damaged volume', { volume: name, error: e });
    }
  }

  #directory(name: string): string {
    return join(this.#options.root, name);
  }

  #dataPath(name: string): string {
    return join(this.#directory(name), '_data');
  }

  #describe(r: VolumeRecord): VolumeInfo {
    return { ...r, driver: 'local', mountpoint: this.#dataPath(r.name) };
  }

  #emit(action: string, name: string): void {
    const timeMs = this.#options.clock.now();
    this.#options.emit({ type: 'volume', action, id: name, attributes: { driver: 'local' }, timeMs });
  }
}

function checkName(name: string): void {
  if (NAME.test(name) && name.length >= 2 && name.length <= MAX_NAME_LENGTH) return;
  if (name.length === 1) {
    const why = 'volume name is too short, names should be at least two alphanumeric characters';
    throw new SwarmtsError('invalid-argument', `create ${name}: ${why}`);
  }
  throw new SwarmtsError(
    'invalid-argument',
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  const unknown = Object.keys(options).find((k) => !OPTIONS.includes(k));
  if (unknown !== undefined) throw new SwarmtsError('invalid-argument', `create ${name}: invalid option: "${unknown}"`);
  checkSize(name, options.size);
  const missing = Object.entries(NEEDED).find(([k, needed]) => options[k] !== undefined && !options[needed]);
  if (missing) throw new SwarmtsError('invalid-argument', `create ${name}: missing required option: "${missing[1]}"`);
}

/** There are no quotas here: the only size that is kept is none. */
function checkSize(name: string, size: string | undefined): void {
  if (size === undefined) return;
  const [, amount] = /^([\d.]+) ?[kmgtp]?i?b?$/i.exec(size) ?? [];
  if (Number(amount) === 0) return;
  const why = amount === undefined ? `invalid size: '${size}'` : 'quota size requested but no quota support';
  throw new SwarmtsError('invalid-argument', `create ${name}: ${why}`);
}

function noSuchVolume(name: string): SwarmtsError {
  return new SwarmtsError('not-found', `get ${name}: no such volume`);
}
