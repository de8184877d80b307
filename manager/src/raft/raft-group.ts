/**
 * This manager's membership in the Raft group, with the store as its state machine: opens log and snapshots, talks to the
 * other members, and takes joins and removals on the leader.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, invariant, type Logger, SwarmtsError, sleep } from '@swarmts/lib';
import { defaults, MAX_TRANSACTION_BYTES, RaftMember } from '@swarmts/proto';
import {
  type Disk,
  decodeMessage,
  isRaftError,
  type LeaderChange,
  type RaftError,
  type RaftMetrics,
  RaftNode,
  type RaftStatus,
} from 'raft-ts';
import type { Credentials } from '../ca/credentials.js';
import { Store, UndecidedError } from '../store/store.js';
import { AddressBook } from './address-book.js';
import { createEncryptor } from './encryption.js';
import { MemberRemoved, PeerTransport } from './peer-transport.js';

/** Docker's words, which scripts look for. */
export const NO_LEADER =
  "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";

/** What a transaction has besides its changes: their lengths, its id and time. */
const TRANSACTION_FRAME_BYTES = 16 * 1024;

/** How long a leader that was deposed waits to hear what became of its proposals: an election, and some. */
const SETTLE_MS = 3_000;
const SETTLE_POLL_MS = 50;

/** How long a change of the members waits for another one that is under way. */
const CHANGE_WAIT_MS = 8_000;
const CHANGE_POLL_MS = 20;

/** A member that was not heard of for so long (three election timeouts) is shown as unreachable. */
const REACHABLE_MS = 3_000;

/** Told how long things took, in seconds. */
export interface RaftTimings {
  /** From the proposal of an entry until it was applied here. */
  transaction(seconds: number): void;
  /** Making of a snapshot of the store. */
  snapshot(seconds: number): void;
}

export interface RaftGroupOptions {
  /** Folder of the manager's state. */
  readonly dir: string;
  readonly self: RaftMember;
  /** True for the first manager of a new cluster. */
  readonly bootstrap: boolean;
  /** Members to begin with, as the join answer names them. */
  readonly members: readonly RaftMember[];
  readonly credentials: Credentials;
  /** Keys of log and snapshots, the newest first. */
  readonly dataKeys: () => readonly Uint8Array[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Until the store says otherwise. */
  readonly snapshotEntries: number;
  readonly onFatal: (e: Error) => void;
  readonly onLeaderChange: (c: LeaderChange) => void;
  readonly onRemoved: () => void;
  /** Another member has said that this one was removed from the group, of which its own log knows nothing. */
  readonly onExpelled: () => void;
  /** There is no room for changes here; others may have some. */
  readonly onDiskFull: () => void;
  readonly timings?: RaftTimings;
  /** Where log and snapshots are, for tests. */
  readonly disk?: Disk;
}

export class RaftGroup {
  readonly store: Store;
  readonly book: AddressBook;
  readonly #o: RaftGroupOptions;
  readonly #transport: PeerTransport;
  #node: RaftNode | undefined;
  #stopped = false;
  /** Monotonic time of the last message of each member. */
  readonly #heardAt = new Map<number, number>();
  /** Members that were removed from the group for good. */
  #removed: ReadonlySet<number> = new Set();
  /** The only member, which has not led since it was opened: it may not have applied yet who was removed. */
  #awaitsOwnElection = false;

  private constructor(options: RaftGroupOptions, book: AddressBook) {
    this.#o = options;
    this.book = book;
    this.store = new Store({
      now: () => options.clock.now(),
      proposer: { propose: (data) => this.#propose(data) },
      onWatcherFailed: (error) =>
        options.log.error('a watcher of the store failed: it may have missed a change', { error }),
    });
    this.#transport = new PeerTransport({
      credentials: options.credentials,
      log: options.log,
      monotonic: () => options.clock.monotonic(),
      address: (id) => this.book.get(id),
      onUnreachable: (id) => this.#node?.reportUnreachable(id),
      onSnapshotSent: (id, ok) => this.#node?.reportSnapshot(id, ok),
      self: options.self.raftId,
      onExpelled: () => {
        if (!this.#stopped) options.onExpelled();
      },
    });
  }

  static async open(o: RaftGroupOptions): Promise<RaftGroup> {
    const dir = join(o.dir, 'raft');
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const book = await AddressBook.open(o.dir);
    book.put([o.self, ...o.members]);
    await book.saved();
    const group = new RaftGroup(o, book);
    group.#node = await RaftNode.open({
      id: o.self.raftId,
      dir,
      ...(o.bootstrap ? { bootstrapPeers: [o.self.raftId] } : {}),
      ...(o.disk ? { disk: o.disk } : {}),
      metadata: RaftMember.encode(RaftMember.create({ raftId: o.self.raftId, nodeId: o.self.nodeId })),
      transport: group.#transport,
      heartbeatTicks: defaults.heartbeatTick,
      electionTicks: defaults.electionTick,
      snapshotEntries: o.snapshotEntries,
      // How many are wanted is in the store.
      keptOldSnapshots: Number.POSITIVE_INFINITY,
      maxProposalBytes: MAX_TRANSACTION_BYTES + TRANSACTION_FRAME_BYTES,
      encryptor: createEncryptor(o.dataKeys),
      onFatal: (e) => o.onFatal(fatalError(e)),
      onDiskFull: (isFull) => {
        if (isFull) o.log.error('the disk is full: this manager takes no changes until there is room', { dir });
        else o.log.info('there is room on the disk again', { dir });
        if (isFull) o.onDiskFull();
      },
      onLeaderChange: (c) => {
        if (c.isLeader) group.#awaitsOwnElection = false;
        o.onLeaderChange(c);
      },
      onConfChange: (_state, change) => group.#onConfChange(change.type, change.id, change.context),
      stateMachine: {
        apply: (entries) => {
          for (const e of entries) group.store.applyEntry(e.index, e.data);
        },
        snapshot: async () => {
          const startMs = o.clock.monotonic();
          const data = await group.store.snapshot(book.list());
          o.timings?.snapshot((o.clock.monotonic() - startMs) / 1000);
          return data;
        },
        restore: (data) => book.put(group.store.restore(data)),
      },
    });
    group.#followSettings();
    const { voters } = group.status;
    group.#awaitsOwnElection = voters.length === 1 && voters[0] === o.self.raftId;
    group.#node.start();
    return group;
  }

  /** How often snapshots are made, what is kept behind them, and who is heard no more is as the cluster has it. */
  #followSettings(): void {
    const follow = () => {
      const cluster = this.store.view((tx) => tx.list('cluster')[0]);
      this.#removed = new Set(cluster?.removedRaftIds);
      const raft = cluster?.spec?.raft;
      if (!raft) return;
      this.#raft.setSnapshotLimits({
        ...(raft.snapshotInterval > 0 ? { snapshotEntries: raft.snapshotInterval } : {}),
        ...(raft.logEntriesForSlowFollowers > 0 ? { trailingEntries: raft.logEntriesForSlowFollowers } : {}),
        keptOldSnapshots: raft.keepOldSnapshots,
      });
    };
    this.store.watch({
      change: (c) => {
        if (c.kind === 'cluster') follow();
      },
      restored: follow,
    });
    follow();
  }

  get #raft(): RaftNode {
    invariant(this.#node, 'the raft node is open');
    return this.#node;
  }

  get status(): RaftStatus {
    return this.#raft.status();
  }

  get isLeader(): boolean {
    return this.status.role === 'leader';
  }

  /** The leader's address, undefined while there is none. */
  get leader(): RaftMember | undefined {
    const { leader } = this.status;
    return leader === 0 ? undefined : this.book.get(leader);
  }

  get metrics(): RaftMetrics {
    return this.#raft.metrics();
  }

  async #propose(data: Uint8Array): Promise<void> {
    const { clock, timings } = this.#o;
    const startMs = clock.monotonic();
    try {
      await this.#raft.propose(data);
      timings?.transaction((clock.monotonic() - startMs) / 1000);
    } catch (e) {
      if (isRaftError(e, 'leadership-lost') && e.outcomeUnknown) await this.#untilSettled(e);
      throw fromRaft(e);
    }
  }

  /**
   * What the next leader has committed when it answers reads is all that it will ever have of proposals to leaders before it. Throws
   * 'aborted' when none answers in time: what became of them is not known then.
   */
  async #untilSettled(cause: RaftError): Promise<void> {
    const { clock } = this.#o;
    const deadline = clock.monotonic() + SETTLE_MS;
    for (;;) {
      try {
        await this.readBarrier(AbortSignal.timeout(SETTLE_MS));
        return;
      } catch {
        if (this.#stopped || clock.monotonic() >= deadline)
          throw new SwarmtsError('aborted', 'the leader changed: whether the change was made is not known', { cause });
      }
      await sleep(clock, SETTLE_POLL_MS);
    }
  }

  /** Resolves when this member has applied all that was committed at the time of the call. Throws 'no-leader' where the leader cannot be reached. */
  async readBarrier(signal?: AbortSignal): Promise<void> {
    try {
      await this.#raft.readIndex(signal);
    } catch (e) {
      // Nobody confirms that this member still leads.
      throw isRaftError(e, 'dropped') ? new SwarmtsError('no-leader', NO_LEADER, { cause: e }) : fromRaft(e);
    }
  }

  /**
   * Bytes from a peer, put together from chunks. Throws MemberRemoved when it was removed from the group: several that were, together,
   * could be a majority of the group that they remember. Throws RaftError for malformed ones.
   */
  receive(bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (this.#removed.has(message.from)) throw new MemberRemoved(message.from);
    if (this.#awaitsOwnElection) return;
    this.#heardAt.set(message.from, this.#o.clock.monotonic());
    this.#raft.step(message);
  }

  /** Whether the member was heard of lately. Raft's own mark is reset with every check of the quorum, and would flicker. */
  isReachable(raftId: number): boolean {
    if (raftId === this.#o.self.raftId) return true;
    const at = this.#heardAt.get(raftId);
    return at !== undefined && this.#o.clock.monotonic() - at < REACHABLE_MS;
  }

  /** Takes a new member in as a learner; the leader promotes it once it has caught up. */
  async addLearner(member: RaftMember): Promise<void> {
    await this.#change('add-learner', member);
  }

  async promote(member: RaftMember): Promise<void> {
    await this.#change('add-voter', member);
  }

  /** Removes a member. Throws 'failed-precondition' when the group would lose its quorum. */
  async remove(raftId: number): Promise<void> {
    const s = this.status;
    if (![...s.voters, ...s.learners].includes(raftId)) return;
    if (s.voters.includes(raftId)) this.#guardQuorum(raftId, s);
    if (raftId === s.id) {
      const other = this.#mostAdvanced(s);
      if (other === 0) throw new SwarmtsError('failed-precondition', 'cannot remove the last manager');
      await this.#raft.transferLeadership(other);
      throw new SwarmtsError('not-leader', 'leadership was handed over before the removal');
    }
    await this.#change('remove', this.book.get(raftId) ?? RaftMember.create({ raftId }));
  }

  #guardQuorum(raftId: number, s: RaftStatus): void {
    const rest = s.voters.filter((id) => id !== raftId);
    const reachable = rest.filter((id) => this.isReachable(id)).length;
    if (rest.length === 0 || reachable < Math.floor(rest.length / 2) + 1) {
      throw new SwarmtsError(
        'failed-precondition',
        'raft: member cannot be removed, because removing it may result in loss of quorum',
      );
    }
  }

  /** Hands leadership to the member that is furthest along. */
  async handOver(): Promise<void> {
    const other = this.#mostAdvanced(this.status);
    if (other !== 0) await this.#raft.transferLeadership(other);
  }

  #mostAdvanced(s: RaftStatus): number {
    let best = 0;
    let match = -1;
    for (const id of s.voters) {
      const p = s.progress?.get(id);
      if (id === s.id || !p || !this.isReachable(id) || p.match <= match) continue;
      best = id;
      match = p.match;
    }
    return best;
  }

  async #change(type: 'add-learner' | 'add-voter' | 'remove', member: RaftMember): Promise<void> {
    const { clock } = this.#o;
    const deadline = clock.monotonic() + CHANGE_WAIT_MS;
    for (;;) {
      try {
        await this.#raft.proposeConfChange({ type, id: member.raftId, context: RaftMember.encode(member) });
        return;
      } catch (e) {
        const isOtherUnderWay = isRaftError(e, 'dropped') && this.isLeader;
        if (!isOtherUnderWay || this.#stopped || clock.monotonic() >= deadline) throw fromRaft(e);
      }
      await sleep(clock, CHANGE_POLL_MS);
    }
  }

  #onConfChange(type: string, raftId: number, context: Uint8Array): void {
    if (type !== 'remove') {
      if (context.length > 0) this.book.put([RaftMember.decode(context)]);
      return;
    }
    if (raftId === this.#o.self.raftId) {
      this.#o.onRemoved();
      return;
    }
    this.book.remove(raftId);
    this.#transport.forget(raftId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#transport.close();
    await this.#node?.stop();
    await this.book.saved();
  }
}

/** Makes a stopped manager the only member of its group: for when the majority of the managers is lost. */
export async function forceNewGroup(dir: string, raftId: number, dataKeys: () => readonly Uint8Array[]): Promise<void> {
  try {
    await RaftNode.forceNewCluster({ id: raftId, dir: join(dir, 'raft'), encryptor: createEncryptor(dataKeys) });
  } catch (e) {
    throw fromRaft(e);
  }
}

/** Whether there is a log of an earlier run. */
export async function hasRaftState(dir: string): Promise<boolean> {
  try {
    return (await readdir(join(dir, 'raft'))).length > 0;
  } catch {
    return false;
  }
}

/** With the way out where there is one. */
function fatalError(e: RaftError): Error {
  if (e.code !== 'outdated' && e.code !== 'diverged') return e;
  return new SwarmtsError(
    'corrupt',
    `${e.message}. This manager must not take part any more: on another manager run \`node demote\` and \`node rm --force\` for it, then start it again, \`swarm leave --force\`, and join anew`,
    { cause: e },
  );
}

function fromRaft(e: unknown): unknown {
  if (!isRaftError(e)) return e;
  const isHandingOver = e.code === 'dropped' && e.leader !== 0;
  if (e.code === 'not-leader' || e.code === 'leadership-lost' || isHandingOver)
    return new SwarmtsError('no-leader', NO_LEADER, { cause: e });
  if (e.code === 'dropped')
    return new SwarmtsError('resource-exhausted', `the managers are busy, try again: ${e.message}`, { cause: e });
  // No other manager is to be asked: somebody has to make room.
  if (e.code === 'no-space') {
    const FullError = e.outcomeUnknown ? UndecidedError : SwarmtsError;
    return new FullError('resource-exhausted', e.message, { cause: e });
  }
  // Whoever waited is cut off by a manager that ends: whether the change was made is not known.
  if (e.code === 'aborted' || e.code === 'stopped') return new SwarmtsError('aborted', e.message, { cause: e });
  return new SwarmtsError('unavailable', e.message, { cause: e });
}
