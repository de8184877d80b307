// One member in a simulation: a core, a disk that takes its time, a state machine, and the loop between them as a driver
// runs it, with batches or with asynchronous writes. It can lose power, be paused and be started again.
import { RawNode } from '../../core/raw-node.js';
import type { Ready } from '../../core/ready.js';
import { isRaftError } from '../../errors.js';
import type { Message, StorageAppend, StorageResponse } from '../../message.js';
import { MemoryStorage } from '../../storage/memory-storage.js';
import { type ConfState, type Entry, type HardState, isConfEntry, type MembershipChange } from '../../types.js';
import { SafetyViolation } from '../checker.js';
import { encodeOperation, Machine, type WriteOperation } from './machine.js';
import { ModelDisk } from './model-disk.js';
import type { NetworkMember } from './model-network.js';
import { ELECTION_TICKS, FOUNDED, TICK_MS, type World } from './world.js';

export type Condition = 'up' | 'down' | 'broken';

/** Entries kept behind a snapshot. */
const TRAILING_ENTRIES = 5;

/** However slow, a state machine is not further behind than this. */
const MAX_APPLY_BACKLOG_MS = 1000;

/** Told once what became of something: a write that took its place in the log, or a read. */
export type Settled = (result: { readonly value: number } | 'lost') => void;

export class ModelMember implements NetworkMember {
  readonly id: number;
  readonly disk: ModelDisk;
  condition: Condition = 'down';
  machine = new Machine();
  #core: RawNode | undefined;
  readonly #world: World;
  #life = 0;
  #pausedUntilMs = 0;
  #isWriting = false;
  #isPumping = false;
  readonly #proposals = new Map<number, { readonly term: number; readonly settled: Settled }>();
  /** Passed on to the leader, by value. */
  readonly #forwarded = new Map<number, Settled>();
  readonly #reads = new Map<number, { readonly key: number; readonly settled: Settled }>();
  #confirmedReads: { readonly index: number; readonly read: number }[] = [];
  /** Snapshots that were received and are not restored yet, by index. */
  readonly #incoming = new Map<number, Machine>();
  /** Not written yet. */
  #unwritten: HardState | undefined;
  #appliedSinceSnapshot = 0;
  #applyBusyUntilMs = 0;
  #nextRead = 1;

  constructor(id: number, world: World, founders: ConfState | undefined) {
    this.id = id;
    this.#world = world;
    const storage =
      founders === undefined
        ? new MemoryStorage()
        : MemoryStorage.from({
            hardState: { term: FOUNDED.term, vote: 0, commit: FOUNDED.index },
            snapshot: { ...FOUNDED, confState: founders },
            offset: FOUNDED,
            entries: [],
          });
    this.disk = new ModelDisk(storage, world);
    if (founders !== undefined) this.disk.snapshotState.appliedIndex = FOUNDED.index;
    world.disks.set(id, this.disk);
  }

  /** Undefined while the power is off. */
  get core(): RawNode | undefined {
    return this.#core;
  }

  get isLeader(): boolean {
    return this.#core?.role === 'leader';
  }

  start(): void {
    if (this.condition !== 'down') return;
    const { settings, random, bug, network, invariants } = this.#world;
    this.condition = 'up';
    this.#life += 1;
    this.machine = new Machine(this.disk.snapshotState);
    this.#core = new RawNode({
      id: this.id,
      storage: this.disk.storage,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      random: () => random.next(),
      maxAppendBytes: settings.maxAppendBytes,
      maxInflight: settings.maxInflight,
      maxInflightBytes: settings.maxInflightBytes,
      maxUncommittedBytes: 100_000,
      maxApplyBytes: settings.maxApplyBytes,
      preVote: settings.preVote,
      checkQuorum: settings.checkQuorum,
      asyncStorageWrites: settings.asyncStorageWrites,
      disableProposalForwarding: !settings.forwarding,
      rules: bug.rules ?? {},
    });
    invariants.noteStart({ id: this.id, core: this.#core, disk: this.disk });
    network.members.set(this.id, this);
    this.#tickLater(this.#life, TICK_MS * random.next());
  }

  /** The power fails; what was under way is lost. */
  crash(condition: 'down' | 'broken' = 'down'): void {
    if (this.condition === 'broken') return;
    this.condition = condition;
    this.#life += 1;
    this.#core = undefined;
    this.#isWriting = false;
    this.#unwritten = undefined;
    this.#world.network.members.delete(this.id);
    this.disk.crash();
    const lost = [...this.#proposals.values(), ...this.#reads.values()];
    this.#proposals.clear();
    this.#forwarded.clear();
    this.#reads.clear();
    this.#confirmedReads = [];
    this.#incoming.clear();
    this.#appliedSinceSnapshot = 0;
    for (const { settled } of lost) settled('lost');
  }

  /** Nothing happens here for so long; messages wait. */
  pause(durationMs: number): void {
    this.#pausedUntilMs = this.#world.queue.nowMs + durationMs;
  }

  #tickLater(life: number, delayMs: number): void {
    this.#world.queue.after(delayMs, () => {
      if (life !== this.#life) return;
      if (this.#isPaused(() => this.#tickLater(life, 0))) return;
      this.#input((core) => core.tick());
      // No two clocks run alike.
      this.#tickLater(life, TICK_MS * (0.95 + 0.1 * this.#world.random.next()));
    });
  }

  /** Puts `work` off to the end of a pause. */
  #isPaused(work: () => void): boolean {
    const leftMs = this.#pausedUntilMs - this.#world.queue.nowMs;
    if (leftMs <= 0) return false;
    this.#world.queue.after(leftMs, work);
    return true;
  }

  receive(message: Message, state: Machine | undefined): void {
    if (message.type === 'snap' && state !== undefined) this.#incoming.set(message.snapshot.metadata.index, state);
    this.#input((core) => core.step(message));
  }

  reportSnapshot(id: number, ok: boolean): void {
    this.#input((core) => core.reportSnapshot(id, ok));
  }

  reportUnreachable(id: number): void {
    this.#input((core) => core.reportUnreachable(id));
  }

  campaign(): void {
    this.#input((core) => core.campaign());
  }

  transferTo(id: number): void {
    this.#input((core) => core.transferLeadership(id));
  }

  forgetLeader(): void {
    this.#input((core) => core.forgetLeader());
  }

  changeMembers(change: MembershipChange): void {
    this.#input((core) => {
      core.proposeConfChangeOrNothing(change);
      this.#world.counts.changes += 1;
    });
  }

  /** Proposes. `settled` hears when it was applied here, or that it never will be; nothing, if nobody knows. */
  propose(operation: WriteOperation, settled: Settled): void {
    this.#input(
      (core) => {
        const { index, term } = core.propose([encodeOperation(operation)]);
        if (index !== undefined) this.#proposals.set(index, { term, settled });
        else this.#forwarded.set(operation.value, settled);
      },
      () => settled('lost'),
    );
  }

  /** Reads a register as of now; `settled` hears what it held, or never anything if the request gets lost. */
  read(key: number, settled: Settled): void {
    this.#input((core) => {
      const read = this.#nextRead;
      this.#nextRead += 1;
      const context = Uint8Array.from([read & 0xff, (read >> 8) & 0xff, this.#life & 0xff, this.id]);
      if (core.readIndex(context)) this.#reads.set(read, { key, settled });
      else settled('lost');
    });
  }

  #input(change: (core: RawNode) => void, refused: () => void = () => undefined): void {
    const core = this.#core;
    if (core === undefined) return;
    if (this.#isPaused(() => core === this.#core && this.#input(change, refused))) return;
    try {
      change(core);
    } catch (error) {
      // Refused is no failure; a broken invariant is.
      if (!isRaftError(error, 'dropped') && !isRaftError(error, 'invalid')) throw error;
      refused();
    }
    this.#pump(core);
  }

  /** Hands out what there is to do, until there is nothing left or the disk is busy. */
  #pump(core: RawNode): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      const watched = { id: this.id, core, disk: this.disk };
      this.#world.invariants.check(watched);
      while (this.#core === core && !this.#isWriting && core.hasReady()) {
        const ready = core.ready();
        this.#world.invariants.checkEntries(watched, ready.entries);
        if (this.#world.settings.asyncStorageWrites) this.#handleAsync(core, ready);
        else this.#handleBatch(core, ready);
        if (this.#core === core) this.#world.invariants.check(watched);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #handleBatch(core: RawNode, ready: Ready): void {
    const isEarly = ready.mayOverlap || this.#world.bug.answersBeforeWrite === true;
    if (isEarly) this.#send(ready.messages);
    const finish = (): void => {
      if (!isEarly) this.#send(ready.messages);
      this.#restore(ready.snapshot?.metadata.index);
      this.#apply(core, ready.committedEntries);
      this.#noteReads(ready);
      core.advance();
      this.#takeSnapshotIfDue(core);
    };
    // The commit index alone is not worth a write: it goes with the next one.
    this.#unwritten = ready.hardState ?? this.#unwritten;
    if (!ready.mustSync) {
      finish();
      return;
    }
    this.#isWriting = true;
    this.#write(ready, () => {
      this.#isWriting = false;
      finish();
      this.#pump(core);
    });
  }

  #handleAsync(core: RawNode, ready: Ready): void {
    this.#send(ready.messages);
    this.#noteReads(ready);
    const { storageAppend, storageApply } = ready;
    if (storageAppend !== undefined) this.#append(core, storageAppend);
    if (storageApply === undefined) return;
    const finish = (): void => {
      this.#apply(core, storageApply.entries);
      for (const response of storageApply.responses) core.stepStorage(response);
      this.#takeSnapshotIfDue(core);
    };
    const { settings, random, queue } = this.#world;
    const life = this.#life;
    // Entries are applied in order: the core hands out the next ones meanwhile, and those must not overtake.
    const delayMs = settings.slowApply ? this.#applyDelay(random.chance(0.1) ? 200 : 5) : 0;
    queue.after(delayMs, () => {
      if (life !== this.#life) return;
      finish();
      this.#pump(core);
    });
  }

  #applyDelay(maxMs: number): number {
    const { queue, random } = this.#world;
    const endMs = Math.max(this.#applyBusyUntilMs, queue.nowMs) + maxMs * random.next();
    this.#applyBusyUntilMs = Math.min(endMs, queue.nowMs + MAX_APPLY_BACKLOG_MS);
    return this.#applyBusyUntilMs - queue.nowMs;
  }

  #append(core: RawNode, work: StorageAppend): void {
    const answer = (): void => {
      const [own, others] = [[] as (Message | StorageResponse)[], [] as Message[]];
      for (const response of work.responses) {
        if (response.to === this.id) own.push(response);
        else if (response.type !== 'storage-append-response') others.push(response);
      }
      this.#send(others);
      for (const response of own) {
        if (response.type === 'storage-append-response') {
          this.#restore(response.snapshot?.metadata.index);
          core.stepStorage(response);
        } else if (response.type !== 'storage-apply-response') core.step(response);
      }
    };
    const { term, vote } = this.disk.storage.initialState().hardState;
    const isCommitOnly = work.hardState === undefined || (work.hardState.term === term && work.hardState.vote === vote);
    this.#unwritten = work.hardState ?? this.#unwritten;
    if (isCommitOnly && work.responses.length === 0 && work.entries.length === 0 && work.snapshot === undefined) return;
    if (this.#world.bug.answersBeforeWrite) {
      this.#write(work, () => undefined);
      answer();
      return;
    }
    this.#write(work, () => {
      answer();
      this.#pump(core);
    });
  }

  #write(work: Pick<Ready, 'snapshot' | 'entries'>, done: () => void): void {
    if (this.disk.failsNext) {
      // Nobody knows what is on the disk now: the process ends.
      this.#world.queue.after(0, () => this.crash());
      return;
    }
    const { snapshot, entries } = work;
    const state = snapshot && this.#incoming.get(snapshot.metadata.index);
    const hardState = this.#unwritten;
    this.#unwritten = undefined;
    const life = this.#life;
    const finish = (): void => {
      if (life === this.#life && !this.#isPaused(finish)) done();
    };
    this.disk.write(
      { hardState, snapshot, entries },
      state,
      this.#world.bug.confirmsBeforeSync ? () => undefined : finish,
    );
    if (this.#world.bug.confirmsBeforeSync) this.#world.queue.after(0.1, finish);
  }

  #send(messages: readonly Message[]): void {
    const { network, invariants, counts } = this.#world;
    const core = this.#core;
    if (core === undefined) return;
    for (const message of messages) {
      invariants.checkSent({ id: this.id, core, disk: this.disk }, message);
      if (message.type !== 'snap') {
        network.send(message, undefined);
        continue;
      }
      counts.snapshots += 1;
      // The newest does as well as the one the core had in mind, which may be gone.
      const snapshot = { metadata: this.disk.storage.snapshot(), data: message.snapshot.data };
      network.send({ ...message, snapshot }, this.disk.snapshotState);
    }
  }

  #restore(index: number | undefined): void {
    if (index === undefined) return;
    const state = this.#incoming.get(index);
    if (state === undefined || state.appliedIndex !== index) {
      throw new SafetyViolation(`member ${this.id} restores snapshot ${index}, which it was not sent`);
    }
    if (index < this.machine.appliedIndex)
      throw new SafetyViolation(`member ${this.id} restores older snapshot ${index}`);
    this.machine = new Machine(state);
    for (const each of this.#incoming.keys()) if (each <= index) this.#incoming.delete(each);
    this.#appliedSinceSnapshot = 0;
    this.#answerReads();
  }

  #apply(core: RawNode, entries: readonly Entry[]): void {
    const { invariants } = this.#world;
    for (const entry of entries) {
      // A snapshot that was restored meanwhile holds it already.
      if (entry.index <= this.machine.appliedIndex) continue;
      if (entry.index !== this.machine.appliedIndex + 1) {
        throw new SafetyViolation(`member ${this.id} applies ${entry.index} after ${this.machine.appliedIndex}`);
      }
      invariants.checkApplied(this.id, entry);
      const operation = this.machine.apply(entry);
      if (operation !== undefined && this.#forwarded.size > 0) this.#settleForwarded(operation.value);
      if (isConfEntry(entry)) {
        core.applyConfEntry(entry);
        // Undefined if a snapshot has come in that knows of later changes.
        const confState = core.confStateAt(entry.index);
        if (confState !== undefined) invariants.checkConfState(this.id, entry.index, confState);
        invariants.check({ id: this.id, core, disk: this.disk });
      }
      this.#settleProposal(entry);
    }
    this.#appliedSinceSnapshot += entries.length;
    this.#answerReads();
  }

  #settleForwarded(value: number): void {
    const settled = this.#forwarded.get(value);
    this.#forwarded.delete(value);
    settled?.({ value: 0 });
  }

  #settleProposal(entry: Entry): void {
    const proposal = this.#proposals.get(entry.index);
    if (proposal === undefined) return;
    this.#proposals.delete(entry.index);
    proposal.settled(proposal.term === entry.term ? { value: 0 } : 'lost');
  }

  #noteReads(ready: Ready): void {
    for (const { index, context } of ready.readStates) {
      const [low = 0, high = 0, life = 0] = context;
      if (life === (this.#life & 0xff)) this.#confirmedReads.push({ index, read: low + high * 256 });
    }
    this.#answerReads();
  }

  #answerReads(): void {
    if (this.#confirmedReads.length === 0) return;
    const { appliedIndex } = this.machine;
    const isReady = ({ index }: { index: number }): boolean => index <= appliedIndex;
    const ready = this.#confirmedReads.filter(isReady);
    if (ready.length === 0) return;
    this.#confirmedReads = this.#confirmedReads.filter((each) => !isReady(each));
    for (const { read } of ready) {
      const waiting = this.#reads.get(read);
      this.#reads.delete(read);
      waiting?.settled({ value: this.machine.read(waiting.key) });
    }
  }

  #takeSnapshotIfDue(core: RawNode): void {
    if (this.#appliedSinceSnapshot < this.#world.settings.snapshotEntries) return;
    const { appliedIndex: index } = this.machine;
    const term = this.disk.storage.term(index);
    const confState = core.confStateAt(index);
    // Applied, but not on the own disk yet.
    if (term === undefined || confState === undefined || index > this.disk.storage.lastIndex()) return;
    this.#appliedSinceSnapshot = 0;
    this.disk.takeSnapshot(new Machine(this.machine), { index, term, confState }, TRAILING_ENTRIES);
  }
}
