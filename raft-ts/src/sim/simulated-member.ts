// One member in a simulation: a RaftNode on a simulated disk with a state machine that lists what it was given. It can
// lose power at any moment and be started again from what its disk has kept.
import type { MemoryNetwork } from '../driver/memory-network.js';
import type { StateMachine } from '../driver/options.js';
import { RaftNode } from '../driver/raft-node.js';
import type { RaftError } from '../errors.js';
import { DiskLog } from '../storage/disk-log.js';
import type { CommittedEntry } from '../types.js';
import { type Checker, SafetyViolation } from './checker.js';
import { MemoryDisk } from './memory-disk.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

const DIRECTORY = '/raft';

/** Lists the values it was given; its snapshot is that list. */
class ListMachine implements StateMachine {
  readonly #onApply: (entry: CommittedEntry) => void;
  values: string[] = [];
  #lastIndex = 0;

  constructor(onApply: (entry: CommittedEntry) => void) {
    this.#onApply = onApply;
  }

  apply(entries: readonly CommittedEntry[]): void {
    for (const entry of entries) {
      if (entry.index <= this.#lastIndex) throw new SafetyViolation(`entry ${entry.index} after ${this.#lastIndex}`);
      this.#lastIndex = entry.index;
      this.values.push(Buffer.from(entry.data).toString());
      this.#onApply(entry);
    }
  }

  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify({ lastIndex: this.#lastIndex, values: this.values }));
  }

  restore(data: Uint8Array): void {
    const state: { lastIndex: number; values: string[] } = JSON.parse(Buffer.from(data).toString());
    if (state.lastIndex < this.#lastIndex) throw new SafetyViolation(`snapshot ${state.lastIndex} goes back`);
    this.values = state.values;
    this.#lastIndex = state.lastIndex;
  }
}

export interface World {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: MemoryNetwork;
  readonly checker: Checker;
  onFailure(error: unknown): void;
}

export class SimulatedMember {
  readonly id: number;
  readonly #world: World;
  readonly #founders: readonly number[];
  #disk: MemoryDisk;
  #machine: ListMachine | undefined;
  node: RaftNode | undefined;
  /** Counts power-ons: what was started before the last one is dead. */
  #life = 0;

  constructor(id: number, founders: readonly number[], world: World) {
    this.id = id;
    this.#founders = founders;
    this.#world = world;
    this.#disk = new MemoryDisk(this.#diskOptions());
  }

  get values(): readonly string[] {
    return this.#machine?.values ?? [];
  }

  get isUp(): boolean {
    return this.node !== undefined;
  }

  #diskOptions(): ConstructorParameters<typeof MemoryDisk>[0] {
    const { time, random } = this.#world;
    return {
      // Reading is instant; a write takes up to 1 ms, a sync mostly up to 5 ms but now and then up to 3 s.
      schedule: (operation, done) => {
        if (operation === 'other') done();
        else if (operation === 'write') time.after(random.next(), done);
        else time.after(random.chance(0.01) ? 3000 * random.next() : 5 * random.next(), done);
      },
    };
  }

  /** Power on. Resolves once the disk is read (which needs time to pass, so do not wait for it inside of an event). */
  async start(): Promise<void> {
    const { network, checker, time, random, onFailure } = this.#world;
    this.#life += 1;
    const life = this.#life;
    const machine = new ListMachine((entry) => {
      if (life === this.#life) checker.noteApplied(this.id, entry);
    });
    const node = await RaftNode.open({
      id: this.id,
      dir: DIRECTORY,
      disk: this.#disk,
      bootstrapPeers: this.#founders,
      transport: network.transport(this.id),
      stateMachine: machine,
      random: () => random.next(),
      timers: time.timers(() => life === this.#life),
      snapshotEntries: 40,
      trailingEntries: 10,
      segmentBytes: 4096,
      onFatal: (error: RaftError) => onFailure(error),
    });
    if (life !== this.#life) return;
    this.#machine = machine;
    this.node = node;
    network.connect(this.id, node);
    node.start();
  }

  /** Power off, now. */
  crash(): void {
    this.#life += 1;
    this.node = undefined;
    this.#machine = undefined;
    this.#world.network.disconnect(this.id);
    this.#disk = this.#disk.crash(this.#world.random, this.#diskOptions());
  }

  /** Notes what the disk holds; the checker compares it with all other disks. */
  async checkStoredLog(): Promise<void> {
    const log = await DiskLog.open({ directory: DIRECTORY, disk: this.#disk.clone() }, undefined);
    const { storage } = log;
    const first = storage.firstIndex();
    this.#world.checker.noteStoredLog(this.id, {
      offset: { index: first - 1, term: storage.term(first - 1) ?? 0 },
      entries: first <= storage.lastIndex() ? storage.entries(first, storage.lastIndex() + 1, Number.MAX_VALUE) : [],
    });
    await log.close();
  }
}
