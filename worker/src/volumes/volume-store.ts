/**
 * Local volumes: `<root>/<name>/{_data,volume.json}`. With the options type, device and o a volume is a file system that is
 * mounted on `_data` while a container that runs uses it.
 */
import { chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errnoOf, type Logger, newHexId, SwarmtsError, sweepUnfinished, writeNewFile } from '@swarmts/lib';
import type { EngineEvent, VolumeInfo } from '../engine/engine-api.js';
import { SerialLock } from '../engine/serial-lock.js';
import type { HelperApi, MountSpec } from '../helper/helper-api.js';
import { removeTree } from '../snapshots/remove-tree.js';
import type { Owner } from '../userns/id-map.js';

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
const OPTIONS = ['type', 'device', 'o'];
/** What an option means nothing without. */
const NEEDED: Readonly<Record<string, string>> = { type: 'device', device: 'type', o: 'device' };
const REMOVING_PREFIX = '.removing-';
/** Beside the content, while it is being filled. */
const UNFINISHED = 'unfinished';
/** What marks a volume that nobody named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Mount options that are flags of mount(2); everything else is the file system's. */
const FLAGS = new Set(['bind', 'ro', 'nosuid', 'nodev', 'noexec', 'private', 'rprivate', 'rshared', 'rslave']);
const NO_FLAGS = new Set(['rw', 'suid', 'dev', 'exec', 'defaults', '']);

export class VolumeStore {
  readonly #options: VolumeStoreOptions;
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Containers that have a volume now. */
  readonly #holders = new Map<string, Set<string>>();
  readonly #fills = new Map<string, SerialLock>();
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: VolumeStoreOptions) {
    this.#options = options;
  }

  static async open(options: VolumeStoreOptions): Promise<VolumeStore> {
    const store = new VolumeStore(options);
    await mkdir(options.root, { recursive: true, mode: 0o701 });
    for (const name of await readdir(options.root)) await store.#load(name);
    return store;
  }

  /** Creating one that exists with the same options is no error. */
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
    const options = v.options ?? {};
    checkOptions(name, options);
    return this.#exclusive(async () => {
      const known = this.#volumes.get(name);
      if (known) return this.#reuse(known, options);
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
    await this.#exclusive(async () => {
      if (!this.#volumes.has(name)) {
        if (force) return;
        throw noSuchVolume(name);
      }
      const users = this.#options.users(name);
      if (users.length > 0) {
        throw new SwarmtsError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
      }
      const aside = join(this.#options.root, `${REMOVING_PREFIX}${newHexId().slice(0, 12)}`);
      await rename(this.#directory(name), aside).catch((e: unknown) => {
        // Somebody has deleted it by hand: there is nothing left that could be in the way.
        if (errnoOf(e) !== 'ENOENT') throw e;
      });
      this.#volumes.delete(name);
      this.#fills.delete(name);
      this.#emit('destroy', name);
      await removeTree(this.#options.helper, aside);
    });
  }

  /**
   * The host path of a volume's content, mounted when it needs to be. A holder is a container that is about to run, or whose files
   * somebody is at: it holds the volume once, until `release`.
   */
  async acquire(name: string, holder: string): Promise<string> {
    return this.#exclusive(async () => {
      const record = this.#volumes.get(name);
      if (!record) throw noSuchVolume(name);
      const path = this.#dataPath(name);
      if (needsMount(record.options) && this.#isFree(name)) {
        await this.#options.helper.unmount(path);
        await this.#options.helper.mount(mountSpec(record.options, path));
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
    await this.#exclusive(async () => {
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
    const lock = this.#fills.get(name) ?? new SerialLock();
    this.#fills.set(name, lock);
    await lock.run(async () => {
      const path = this.#dataPath(name);
      const unfinished = join(this.#directory(name), UNFINISHED);
      if (!existsSync(unfinished) && (await readdir(path)).length > 0) return;
      writeFileSync(unfinished, '');
      await copy(path);
      rmSync(unfinished);
    });
  }

  #reuse(known: VolumeRecord, options: Readonly<Record<string, string>>): VolumeInfo {
    const keys = Object.keys(options);
    if (keys.some((k) => known.options[k] !== options[k])) {
      throw new SwarmtsError('conflict', `volume ${known.name} already exists with other options; remove it first`);
    }
    return this.#describe(known);
  }

  async #load(name: string): Promise<void> {
    if (name.startsWith(REMOVING_PREFIX)) {
      await removeTree(this.#options.helper, join(this.#options.root, name));
      return;
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

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #emit(action: string, name: string): void {
    const timeMs = this.#options.clock.now();
    this.#options.emit({ type: 'volume', action, id: name, attributes: { driver: 'local' }, timeMs });
  }
}

/** How `type`, `device` and `o` become one mount. */
export function mountSpec(options: Readonly<Record<string, string>>, target: string): MountSpec {
  const parts = (options.o ?? '').split(',').map((p) => p.trim());
  const flags = parts.filter((p) => FLAGS.has(p));
  const data = parts.filter((p) => !FLAGS.has(p) && !NO_FLAGS.has(p)).join(',');
  const type = options.type ?? 'none';
  return { source: options.device ?? type, target, fstype: type, flags, ...(data ? { data } : {}) };
}

function needsMount(options: Readonly<Record<string, string>>): boolean {
  return options.device !== undefined || options.type !== undefined;
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
  const missing = Object.entries(NEEDED).find(([k, needed]) => options[k] !== undefined && !options[needed]);
  if (missing) throw new SwarmtsError('invalid-argument', `create ${name}: missing required option: "${missing[1]}"`);
}

function noSuchVolume(name: string): SwarmtsError {
  return new SwarmtsError('not-found', `get ${name}: no such volume`);
}
