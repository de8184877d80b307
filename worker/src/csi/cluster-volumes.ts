/**
 * The cluster volumes of this node: mounts what the managers have published to it when a task needs it, and lets go of it
 * when they say so and no container has it any more. What is mounted is written down, so that a restarted agent finds it.
 */
import { existsSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Backoff,
  type Clock,
  KeyedLocks,
  type Logger,
  messageOf,
  readFileIfThere,
  SerialLock,
  SwarmtsError,
  sleep,
  writeFileAtomic,
} from '@swarmts/lib';
import type { Task, VolumeAssignment } from '@swarmts/proto';
import type { NodePaths } from './csi-plugin.js';
import type { CsiPlugins } from './csi-plugins.js';

/** So long a task waits for its volumes, as in Swarm. */
const READY_TIMEOUT_MS = 5 * 60_000;
const USE_POLL_MS = 200;
/** So long a node that leaves the swarm tries to unmount: a plugin that does not answer must not keep it. */
const LEAVE_TIMEOUT_MS = 30_000;
const RETRY = { initialMs: 500, maxMs: 30_000 };

export interface ClusterVolumesOptions {
  /** Where volumes are mounted, each in a folder of its id. */
  readonly dir: string;
  readonly plugins: Pick<CsiPlugins, 'plugin'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a container, or a task that is about to have one, uses what is mounted there. */
  readonly inUse: (volumeId: string, path: string) => boolean;
  /** The node has let go of these. */
  readonly unpublished: (volumeIds: readonly string[]) => void;
}

export interface VolumePlace {
  readonly path: string;
  /** A device is there, and no folder. */
  readonly isBlock: boolean;
}

interface Mounted {
  readonly driver: string;
  /** The plugin's name for it. */
  readonly csiId: string;
}

export class ClusterVolumes {
  readonly #o: ClusterVolumesOptions;
  readonly #file: string;
  readonly #assigned = new Map<string, VolumeAssignment>();
  /** What a plugin was asked to mount, by this run or an earlier one. */
  readonly #mounted = new Map<string, Mounted>();
  /** What it has mounted in this run: the machine may have been started anew since the one before. */
  readonly #ready = new Set<string>();
  readonly #locks = new KeyedLocks();
  readonly #waiting = new Set<() => void>();
  readonly #saves = new SerialLock();
  #closed = false;

  constructor(options: ClusterVolumesOptions) {
    this.#o = options;
    this.#file = join(options.dir, 'mounted.json');
  }

  /** Takes up what an earlier run has mounted. */
  async restore(): Promise<void> {
    const text = await readFileIfThere(this.#file);
    if (text === undefined) return;
    try {
      const list = JSON.parse(text) as readonly (Mounted & { readonly id: string })[];
      for (const { id, ...mounted } of list) this.#mounted.set(id, mounted);
    } catch (e) {
      throw new SwarmtsError('corrupt', `${this.#file} cannot be read: unmount what is below and remove it`, {
        cause: e,
      });
    }
  }

  apply(a: {
    readonly complete: boolean;
    readonly volumes: readonly VolumeAssignment[];
    readonly removedVolumeIds: readonly string[];
  }): void {
    const leaving = new Set(a.removedVolumeIds);
    const before = new Map(this.#assigned);
    if (a.complete) {
      this.#assigned.clear();
      for (const id of this.#mounted.keys()) leaving.add(id);
    }
    for (const v of a.volumes) {
      this.#assigned.set(v.id, v);
      leaving.delete(v.id);
    }
    for (const id of leaving) {
      this.#assigned.delete(id);
      void this.#queue(id, () => this.#leave(id, before.get(id)));
    }
    for (const wake of this.#waiting) wake();
  }

  /** Where a volume of a task that is `ready` is mounted. */
  placeOf(id: string): VolumePlace {
    return { path: this.#paths(id).target, isBlock: this.#assigned.get(id)?.spec?.block ?? false };
  }

  /** Resolves when all volumes of the task are mounted. Throws SwarmtsError 'timeout', or what the plugin said. */
  async ready(task: Task, signal: AbortSignal): Promise<void> {
    for (const { volumeId } of task.volumes) {
      const v = await this.#untilAssigned(volumeId, signal);
      await this.#queue(volumeId, () => this.#mount(v));
    }
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting) wake();
  }

  /** The node leaves the swarm: everything is unmounted, except what resists. */
  async removeAll(): Promise<void> {
    const before = new Map(this.#assigned);
    this.#assigned.clear();
    const ids = new Set([...this.#mounted.keys(), ...before.keys()]);
    const all = Promise.all([...ids].map((id) => this.#queue(id, () => this.#leave(id, before.get(id)))));
    const late = new AbortController();
    try {
      await Promise.race([all, sleep(this.#o.clock, LEAVE_TIMEOUT_MS, late.signal)]);
    } finally {
      late.abort();
      this.close();
    }
    for (const id of this.#mounted.keys()) {
      this.#o.log.error('a volume stays mounted on a node that leaves', { volume: id, path: this.#paths(id).target });
    }
  }

  async #untilAssigned(id: string, signal: AbortSignal): Promise<VolumeAssignment> {
    const deadline = this.#o.clock.monotonic() + READY_TIMEOUT_MS;
    for (;;) {
      const v = this.#assigned.get(id);
      if (v) return v;
      if (signal.aborted || this.#closed) throw new SwarmtsError('aborted', 'waiting for volumes was given up');
      const left = deadline - this.#o.clock.monotonic();
      if (left <= 0) throw new SwarmtsError('timeout', `volume ${id} was not published to this node in five minutes`);
      await this.#news(left, signal);
    }
  }

  /** Waits for assignments, for the end of the wait, or so long. */
  #news(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#o.clock.after(timeoutMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
    });
  }

  #queue(id: string, work: () => Promise<void>): Promise<void> {
    const done = this.#locks.run(id, work);
    done.catch((e: unknown) =>
      this.#o.log.warn('a volume was not mounted or unmounted', { volume: id, error: messageOf(e) }),
    );
    return done;
  }

  async #mount(v: VolumeAssignment): Promise<void> {
    const { spec, info } = v;
    const mounted = mountedAs(v);
    if (!spec || !info || !mounted || this.#ready.has(v.id)) return;
    const plugin = this.#o.plugins.plugin(mounted.driver);
    const paths = this.#paths(v.id);
    await mkdir(paths.staging, { recursive: true, mode: 0o700 });
    // Written down first: what was begun is undone, also after a failure or crash.
    this.#mounted.set(v.id, mounted);
    await this.#save();
    await plugin.mount({ spec, info, secrets: v.secrets }, v.publishContext, paths);
    this.#ready.add(v.id);
  }

  /** Until it has worked, or the volume is wanted again. */
  async #leave(id: string, assignment: VolumeAssignment | undefined): Promise<void> {
    const backoff = new Backoff({ ...RETRY, random: Math.random });
    const paths = this.#paths(id);
    for (;;) {
      while (this.#o.inUse(id, paths.target) && !this.#closed) await sleep(this.#o.clock, USE_POLL_MS);
      if (this.#closed || this.#assigned.has(id)) return;
      try {
        await this.#unmount(id, paths, assignment);
        this.#o.unpublished([id]);
        return;
      } catch (e) {
        this.#o.log.warn('a volume was not unmounted, trying again', { volume: id, error: messageOf(e) });
        await sleep(this.#o.clock, backoff.next());
      }
    }
  }

  async #unmount(id: string, paths: NodePaths, assignment: VolumeAssignment | undefined): Promise<void> {
    // Its folder is older than any mount, and goes after it.
    const unlisted = assignment && existsSync(join(this.#o.dir, id)) ? mountedAs(assignment) : undefined;
    const m = this.#mounted.get(id) ?? unlisted;
    if (!m) return;
    this.#ready.delete(id);
    await this.#o.plugins.plugin(m.driver).unmount(m.csiId, paths);
    // Only empty folders go: what is still mounted must not lose its files.
    for (const path of [paths.target, paths.staging, join(this.#o.dir, id)]) await rmdir(path).catch(() => undefined);
    this.#mounted.delete(id);
    await this.#save();
  }

  #paths(id: string): NodePaths {
    return { staging: join(this.#o.dir, id, 'stage'), target: join(this.#o.dir, id, 'mount') };
  }

  /** One after the other, lest an older list comes last. */
  #save(): Promise<void> {
    return this.#saves.run(async () => {
      const list = [...this.#mounted].map(([id, m]) => ({ id, ...m }));
      await writeFileAtomic(this.#file, `${JSON.stringify(list)}\n`);
    });
  }
}

function mountedAs({ spec, info }: VolumeAssignment): Mounted | undefined {
  return spec && info && { driver: spec.driver?.name ?? '', csiId: info.volumeId };
}
