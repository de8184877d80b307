// Several pure cores joined by hand, without time and without disks that fail: for scripted tests in which every
// message counts. Batches are handled at once; messages wait in `inFlight` until `deliver`.
import type { RaftOptions } from '../core/options.js';
import type { ReadState } from '../core/raft.js';
import { RawNode } from '../core/raw-node.js';
import type { Ready } from '../core/ready.js';
import type { Message } from '../message.js';
import { MemoryStorage, type StoredLog } from '../storage/memory-storage.js';
import { type ConfState, type Entry, isConfEntry, NO_DATA, type RaftStatus } from '../types.js';

export const ELECTION_TICKS = 10;

export interface CoreMember {
  readonly id: number;
  readonly core: RawNode;
  readonly storage: MemoryStorage;
  readonly applied: Entry[];
  readonly reads: ReadState[];
}

export interface CoreGroupOptions {
  readonly voters: readonly number[];
  readonly learners?: readonly number[];
  /** Stored before the start, by member. */
  readonly logs?: ReadonlyMap<number, Partial<StoredLog>>;
  readonly raft?: Partial<RaftOptions>;
}

export class CoreGroup {
  readonly members = new Map<number, CoreMember>();
  inFlight: Message[] = [];
  /** Everything ever sent. */
  readonly sent: Message[] = [];
  /** Messages for which this is true are lost. */
  isLost: (message: Message) => boolean = () => false;
  /** Members whose batches are left alone, as if their disk took its time. */
  readonly stalled = new Set<number>();

  constructor(options: CoreGroupOptions) {
    const confState: ConfState = { voters: [...options.voters], learners: [...(options.learners ?? [])] };
    for (const id of [...confState.voters, ...confState.learners]) {
      this.add(id, confState, options.logs?.get(id) ?? {}, options.raft ?? {});
    }
  }

  add(id: number, confState: ConfState, log: Partial<StoredLog> = {}, raft: Partial<RaftOptions> = {}): CoreMember {
    const storage = MemoryStorage.from({
      hardState: { term: 0, vote: 0, commit: 0 },
      snapshot: { index: 0, term: 0, confState },
      offset: { index: 0, term: 0 },
      entries: [],
      ...log,
    });
    const core = new RawNode({
      id,
      storage,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      random: () => 0,
      maxAppendBytes: 1024,
      maxInflight: 8,
      maxUncommittedBytes: 10_000,
      maxApplyBytes: 10_000,
      ...raft,
    });
    const member = { id, core, storage, applied: [], reads: [] };
    this.members.set(id, member);
    return member;
  }

  member(id: number): CoreMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  core(id: number): RawNode {
    return this.member(id).core;
  }

  status(id: number): RaftStatus {
    return this.core(id).status();
  }

  tick(id: number, count = 1): void {
    for (let left = count; left > 0; left -= 1) {
      this.core(id).tick();
      this.settle();
    }
  }

  /** Handles every batch; what is sent is in flight then. */
  settle(): void {
    for (const member of this.members.values()) {
      if (this.stalled.has(member.id)) continue;
      while (member.core.hasReady()) this.#handle(member, member.core.ready());
    }
  }

  #handle(member: CoreMember, ready: Ready): void {
    if (ready.hardState !== undefined) member.storage.setHardState(ready.hardState);
    if (ready.snapshot !== undefined) member.storage.installSnapshot(ready.snapshot.metadata);
    member.storage.append(ready.entries);
    this.sent.push(...ready.messages);
    this.inFlight.push(...ready.messages);
    for (const entry of ready.committedEntries) {
      if (isConfEntry(entry)) member.core.applyConfEntry(entry);
      member.applied.push(entry);
    }
    member.reads.push(...ready.readStates);
    member.core.advance();
  }

  /** Delivers until nothing is in flight any more. */
  deliver(): void {
    this.settle();
    while (this.inFlight.length > 0) this.deliverOnce();
  }

  /** Delivers what is in flight now, not what comes of it. */
  deliverOnce(): void {
    const messages = this.inFlight;
    this.inFlight = [];
    for (const message of messages) if (!this.isLost(message)) this.members.get(message.to)?.core.step(message);
    this.settle();
  }

  isolate(...ids: readonly number[]): void {
    this.isLost = (message) => ids.includes(message.from) || ids.includes(message.to);
  }

  heal(): void {
    this.isLost = () => false;
  }

  elect(id: number): void {
    this.core(id).campaign();
    this.deliver();
  }

  propose(id: number, ...texts: readonly string[]): void {
    this.core(id).propose(texts.map((text) => Buffer.from(text)));
    this.deliver();
  }

  /** Terms of the stored entries, the oldest first. */
  terms(id: number): number[] {
    const { storage } = this.member(id);
    const entries = storage.lastIndex() < storage.firstIndex() ? [] : this.entries(id);
    return entries.map((entry) => entry.term);
  }

  entries(id: number): readonly Entry[] {
    const { storage } = this.member(id);
    return storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Number.MAX_VALUE);
  }

  /** What was applied, as text, without empty entries. */
  texts(id: number): string[] {
    const normal = this.member(id).applied.filter((entry) => entry.type === 'normal' && entry.data.length > 0);
    return normal.map((entry) => Buffer.from(entry.data).toString());
  }
}

/** A stored log with entries of these terms. */
export function logOfTerms(terms: readonly number[], term = terms.at(-1) ?? 0): Partial<StoredLog> {
  const entries = terms.map((each, at): Entry => ({ index: at + 1, term: each, type: 'normal', data: NO_DATA }));
  return { hardState: { term, vote: 0, commit: 0 }, entries };
}
