// One member's disk: what is stored is what survives a power cut. Writes take time and end in order; those under way when
// the power fails survive up to some point, the last of them perhaps in part.
import type { MemoryStorage } from '../../storage/memory-storage.js';
import type { Entry, HardState, Snapshot } from '../../types.js';
import type { Random } from '../random.js';
import type { EventQueue } from './event-queue.js';
import { Machine } from './machine.js';
import type { PlantedBug } from './planted-bugs.js';

export interface DiskWork {
  readonly hardState: HardState | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
}

interface PendingWrite {
  readonly work: DiskWork;
  /** The state that came with `work.snapshot`. */
  readonly state: Machine | undefined;
}

/** However slow, a disk is not further behind than this. */
const MAX_BACKLOG_MS = 2500;

export class ModelDisk {
  readonly storage: MemoryStorage;
  /** The state that the stored snapshot holds. */
  snapshotState = new Machine();
  /** No write begins before: the disk is full until then. */
  fullUntilMs = 0;
  /** Writes take so many times longer. */
  slowness = 1;
  /** The next write fails, and with it the member. */
  failsNext = false;
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #bug: PlantedBug;
  readonly #pending: PendingWrite[] = [];
  #busyUntilMs = 0;
  #life = 0;

  constructor(storage: MemoryStorage, world: { queue: EventQueue; random: Random; bug: PlantedBug }) {
    this.storage = storage;
    this.#queue = world.queue;
    this.#random = world.random;
    this.#bug = world.bug;
  }

  /** Calls `done` when the work is durable; never, if the power fails before. */
  write(work: DiskWork, state: Machine | undefined, done: () => void): void {
    const random = this.#random;
    const write = { work: this.#damaged(work), state };
    const durationMs = this.slowness * (0.2 + 2 * random.next() + (random.chance(0.01) ? 100 * random.next() : 0));
    const { nowMs } = this.#queue;
    const endMs = Math.max(nowMs, this.#busyUntilMs, this.fullUntilMs) + durationMs;
    this.#busyUntilMs = Math.min(endMs, nowMs + MAX_BACKLOG_MS);
    this.#pending.push(write);
    const life = this.#life;
    this.#queue.after(this.#busyUntilMs - nowMs, () => {
      if (life !== this.#life) return;
      this.#pending.shift();
      this.#store(write);
      done();
    });
  }

  #damaged(work: DiskWork): DiskWork {
    const { hardState } = work;
    if (hardState === undefined) return work;
    const stored = this.storage.initialState().hardState;
    if (this.#bug.forgetsVote) return { ...work, hardState: { ...hardState, vote: 0 } };
    if (this.#bug.forgetsTerm) return { ...work, hardState: { ...stored, commit: hardState.commit } };
    return work;
  }

  #store({ work, state }: PendingWrite): void {
    if (work.hardState !== undefined) this.storage.setHardState(work.hardState);
    if (work.snapshot !== undefined) {
      this.storage.installSnapshot(work.snapshot.metadata);
      this.snapshotState = state ?? new Machine();
    }
    this.storage.append(work.entries);
  }

  /** A snapshot of the own state: it takes the place of the entries up to `trailing` before it. */
  takeSnapshot(state: Machine, metadata: Snapshot['metadata'], trailing: number): void {
    this.storage.noteSnapshot(metadata);
    this.snapshotState = state;
    this.storage.compact(metadata.index - trailing);
  }

  /** The power fails now. */
  crash(): void {
    this.#life += 1;
    this.#busyUntilMs = 0;
    this.failsNext = false;
    const survivors = this.#bug.confirmsBeforeSync ? 0 : this.#random.below(this.#pending.length + 1);
    for (const write of this.#pending.slice(0, survivors)) this.#store(write);
    const torn = this.#pending[survivors];
    if (torn !== undefined && torn.work.snapshot === undefined && this.#random.chance(0.5)) {
      // The hard state goes behind the entries: its commit index must not be found beside entries that it replaced.
      const entries = torn.work.entries.slice(0, this.#random.below(torn.work.entries.length + 1));
      this.#store({ work: { hardState: undefined, snapshot: undefined, entries }, state: undefined });
    }
    this.#pending.length = 0;
  }
}
