// A running member: it turns the pure core's batches into disk writes, messages and applied entries, and callers'
// promises into proposals. Invariants: one batch at a time, and of each batch write, then send, then apply, except for
// what a leader may send while it writes; any error of the disk, the state machine or the core ends the node.
import { asConfChangeV2 } from '../codec/conf-change-codec.js';
import { RawNode } from '../core/raw-node.js';
import type { Ready } from '../core/ready.js';
import { isRaftError, RaftError } from '../errors.js';
import type { Message, SnapshotMessage } from '../message.js';
import { DiskLog } from '../storage/disk-log.js';
import {
  type Entry,
  type HardState,
  isConfEntry,
  type MembershipChange,
  NO_DATA,
  NOBODY,
  type RaftStatus,
  type Snapshot,
} from '../types.js';
import { coreOptionsOf, DEFAULTS, snapshotLimitsOf } from './defaults.js';
import { DiskRoom } from './disk-room.js';
import { enterProposals, notLeader } from './entering.js';
import { forceNewCluster } from './force-new-cluster.js';
import { checkId, encodeIdentity, foundingLog, readIdentity } from './identity.js';
import type { RaftMetrics } from './metrics.js';
import {
  type CancelTimer,
  type LeaderChange,
  type ProposalResult,
  type RaftNodeOptions,
  realTimers,
  type SnapshotSink,
} from './options.js';
import { Proposals } from './proposals.js';
import { Reads } from './reads.js';
import { refuseReplacedData } from './replaced-data.js';
import { setAside } from './set-aside.js';
import { SnapshotTransfers } from './snapshot-transfers.js';
import { Snapshots } from './snapshots.js';
import { Transfers } from './transfers.js';

/** A leader whose disk takes longer for one write, in election timeouts, falls silent: somebody else shall lead. */
const MAX_STALL_TIMEOUTS = 5;
const NONCE_RANGE = 2 ** 48;

export class RaftNode {
  readonly id: number;
  /** The bytes given as `metadata` when the directory was made. */
  readonly metadata: Uint8Array;
  readonly #options: RaftNodeOptions;
  readonly #core: RawNode;
  readonly #log: DiskLog;
  readonly #proposals = new Proposals();
  readonly #reads: Reads;
  readonly #snapshots: Snapshots;
  readonly #transfers: Transfers;
  readonly #room: DiskRoom;
  #applied: number;
  /** A commit index that is not written yet: it goes with the next write that must be synced. */
  #unwrittenHardState: HardState | undefined;
  #leaderChange: LeaderChange;
  /** The term in which this member has applied an entry of its own. */
  #caughtUpTerm = 0;
  #cancelTimer: CancelTimer | undefined;
  readonly #maxStallTicks: number;
  /** Ticks since the write under way began; undefined while there is none. */
  #writeTicks: number | undefined;
  /** Cleared in the same step in which the loop finds nothing to do: nothing can be overlooked in between. */
  #isRunning = false;
  #loop: Promise<void> | undefined;
  readonly #snapshotTransfers: SnapshotTransfers;
  readonly #counts = { proposals: 0, reads: 0, messagesSent: 0, messagesReceived: 0, entriesApplied: 0 };
  #ended: RaftError | undefined;
  #closed: Promise<void> | undefined;

  private constructor(options: RaftNodeOptions, log: DiskLog, metadata: Uint8Array) {
    const random = options.random ?? Math.random;
    const electionTicks = options.electionTicks ?? DEFAULTS.electionTicks;
    this.id = options.id;
    this.metadata = metadata;
    this.#options = options;
    this.#log = log;
    this.#applied = log.snapshotIndex;
    this.#core = new RawNode(coreOptionsOf(options, log.storage, random));
    this.#leaderChange = { leader: NOBODY, term: this.#core.softState.term, isLeader: false };
    const nonce = Math.floor(random() * NONCE_RANGE);
    this.#reads = new Reads(options.id, nonce, electionTicks, (context) => this.#core.readIndex(context));
    this.#transfers = new Transfers(2 * electionTicks);
    this.#maxStallTicks = MAX_STALL_TIMEOUTS * electionTicks;
    this.#room = new DiskRoom(log, {
      onWaiting: () => this.#proposals.rejectQueue(this.#room.refusal()),
      patienceTicks: this.#maxStallTicks,
      onPatienceOver: () => this.#proposals.rejectAll(() => this.#room.unknownOutcome()),
      onChange: (isFull) => options.onDiskFull?.(isFull),
    });
    this.#snapshotTransfers = new SnapshotTransfers({
      log,
      transport: options.transport,
      onSent: (to, ok) => this.reportSnapshot(to, ok),
      onReceived: (message) => this.step(message),
      onError: (error) => this.#fail(error),
    });
    this.#snapshots = new Snapshots({
      log,
      stateMachine: options.stateMachine,
      limits: snapshotLimitsOf(options),
      onWritten: () => this.#wake(),
      onError: (error) => this.#fail(error),
    });
  }

  /** Opens or makes the directory, restores the snapshot and applies what is known to be committed. */
  static async open(options: RaftNodeOptions): Promise<RaftNode> {
    checkId(options.id);
    const founding = foundingLog(options.id, options.bootstrapPeers ?? []);
    const identity = encodeIdentity(options.id, options.metadata ?? NO_DATA);
    const log = await DiskLog.open(
      {
        directory: options.dir,
        encryptor: options.encryptor,
        segmentBytes: options.segmentBytes,
        disk: options.disk,
        keptOldSnapshots: options.keptOldSnapshots,
      },
      { metadata: identity, ...founding },
    );
    try {
      const metadata = readIdentity(log.metadata, options.id, options.dir);
      const snapshot = await log.readSnapshot();
      if (snapshot !== undefined) options.stateMachine.restore(snapshot.data);
      const node = new RaftNode(options, log, metadata);
      while (node.#core.hasReady()) await node.#processReady();
      return node;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** Makes the stopped member in `dir` the only one of its group, everything in its log kept. Disaster recovery. */
  static async forceNewCluster(options: Pick<RaftNodeOptions, 'id' | 'dir' | 'encryptor' | 'disk'>): Promise<void> {
    const { id, dir: directory, encryptor, disk } = options;
    await forceNewCluster(id, { directory, encryptor, disk });
  }

  /**
   * For a member whose log was refused as `corrupt`: moves the damaged files into a folder beside them, whose path it
   * returns, so that the directory can be opened by a new member with a new id. Remove the old id from the group, let
   * the new one in as a learner, and it gets everything from its peers.
   */
  static async setAside(options: Pick<RaftNodeOptions, 'id' | 'dir' | 'disk'>): Promise<string> {
    return await setAside(options.id, options.dir, options.disk);
  }

  /** Begins to take part: ticks, elections, messages. */
  start(): void {
    if (this.#cancelTimer !== undefined || this.#ended !== undefined) return;
    const timers = this.#options.timers ?? realTimers;
    this.#cancelTimer = timers.setInterval(() => this.#tick(), this.#options.tickMs ?? DEFAULTS.tickMs);
    // Nobody else could win: no need to wait for a leader.
    if (this.#core.isSoleVoter) this.campaign();
  }

  /** Ends everything; promises that are still open are rejected with `stopped`. */
  async stop(): Promise<void> {
    this.#end(new RaftError('stopped', 'the member was stopped'));
    await this.#closed;
  }

  /** Resolves when the entry was applied here. `data` must not be changed afterwards. */
  async propose(data: Uint8Array, signal?: AbortSignal): Promise<ProposalResult> {
    this.#refuseAfterEnd();
    const maxBytes = this.#options.maxProposalBytes ?? DEFAULTS.maxProposalBytes;
    if (data.length === 0 || data.length > maxBytes) {
      throw new RaftError('invalid', `a proposal of ${data.length} bytes; it must have 1 to ${maxBytes}`);
    }
    if (this.#room.isShort) throw this.#room.refusal();
    this.#counts.proposals += 1;
    const result = this.#proposals.add({ kind: 'normal', data }, signal);
    this.#wake();
    return await result;
  }

  /**
   * Resolves when the change was applied here. Several steps at once go through a joint membership: unless it is
   * `explicit` the leader ends that by itself soon afterwards, else an empty `auto` change does.
   */
  async proposeConfChange(change: MembershipChange, signal?: AbortSignal): Promise<void> {
    this.#refuseAfterEnd();
    for (const { id } of asConfChangeV2(change).steps) checkId(id);
    if (this.#room.isShort) throw this.#room.refusal();
    const result = this.#proposals.add({ kind: 'conf', change }, signal);
    this.#wake();
    await result;
  }

  /**
   * A point in the log at or after everything acknowledged before the call; resolves when it is applied here, so that
   * a read of the local state now is linearizable. Works on any member that can reach the leader.
   */
  async readIndex(signal?: AbortSignal): Promise<number> {
    this.#refuseAfterEnd();
    this.#counts.reads += 1;
    const result = this.#reads.add(signal);
    this.#wake();
    return await result;
  }

  /** A message from another member. */
  step(message: Message): void {
    this.#counts.messagesReceived += 1;
    this.#input(() => {
      refuseReplacedData(this.#core, message);
      this.#core.step(message);
    });
  }

  /** Resolves when `to` leads; rejects with `dropped` if that does not happen within two election timeouts. */
  async transferLeadership(to: number): Promise<void> {
    this.#refuseAfterEnd();
    const { role, voters, leader } = this.#core.status();
    if (role !== 'leader') throw notLeader(leader);
    if (!voters.includes(to)) throw new RaftError('invalid', `member ${to} is not a voter`);
    if (to === this.id) return;
    const result = this.#transfers.add(to);
    this.#input(() => this.#core.transferLeadership(to));
    await result;
  }

  /** The transport could not deliver to `id`. */
  reportUnreachable(id: number): void {
    this.#input(() => this.#core.reportUnreachable(id));
  }

  /** The transport has delivered, or failed to deliver, the snapshot for `id`. */
  reportSnapshot(id: number, ok: boolean): void {
    this.#input(() => this.#core.reportSnapshot(id, ok));
  }

  /** For a transport: where to put a snapshot that comes in pieces. Rejects when it cannot be taken. */
  async receiveSnapshot(message: SnapshotMessage, key: string, sizeBytes: number): Promise<SnapshotSink> {
    this.#refuseAfterEnd();
    return await this.#snapshotTransfers.receive(message, key, sizeBytes);
  }

  /** A follower takes its leader for lost now: for who knows better than the election timeout. */
  forgetLeader(): void {
    this.#input(() => this.#core.forgetLeader());
  }

  /** Stands for election now, if this member may. */
  campaign(): void {
    this.#input(() => this.#core.campaign());
  }

  status(): RaftStatus {
    return { ...this.#core.status(), applied: this.#applied };
  }

  /** Changes what was given to `open`: `snapshotEntries`, `trailingEntries` and `keptOldSnapshots`, those that are named. */
  setSnapshotLimits(limits: Pick<RaftNodeOptions, 'snapshotEntries' | 'trailingEntries' | 'keptOldSnapshots'>): void {
    const { snapshotEntries, trailingEntries, keptOldSnapshots } = limits;
    this.#snapshots.setLimits({
      ...(snapshotEntries === undefined ? {} : { entries: snapshotEntries }),
      ...(trailingEntries === undefined ? {} : { trailingEntries }),
    });
    if (keptOldSnapshots !== undefined) this.#log.keptOldSnapshots = keptOldSnapshots;
  }

  /** What this member has done since it was opened, and what it has to do. */
  metrics(): RaftMetrics {
    const { bytes, batches, syncs } = this.#log.counts;
    const transfers = this.#snapshotTransfers.counts;
    return {
      ...this.#counts,
      logBytes: bytes,
      logBatches: batches,
      logSyncs: syncs,
      snapshotsTaken: this.#snapshots.taken,
      snapshotsSent: transfers.sent,
      snapshotsReceived: transfers.received,
      queuedProposals: this.#proposals.queued,
      waitingProposals: this.#proposals.waiting,
      waitingReads: this.#reads.waiting,
    };
  }

  #tick(): void {
    this.#input(() => {
      this.#core.tick();
      this.#reads.tick(this.#room.isWaiting ? this.#room.readRefusal() : undefined);
      this.#transfers.tick();
      this.#snapshots.tick();
      this.#room.tick();
      if (this.#room.isWaiting) this.#core.dropSuperseded();
      this.#sendEarly();
    });
  }

  /** Heartbeats and appends go on while the disk takes its time. */
  #sendEarly(): void {
    if (this.#writeTicks === undefined) return;
    this.#writeTicks += 1;
    if (this.#writeTicks <= this.#maxStallTicks) this.#send(this.#core.takeEarlyMessages());
  }

  #input(change: () => void): void {
    if (this.#ended !== undefined) return;
    try {
      change();
      // A leader that is none any more must know at once, not only when its disk is done.
      const { role, term } = this.#core.softState;
      if (this.#leaderChange.isLeader && (role !== 'leader' || term !== this.#leaderChange.term)) this.#noteLeader();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#wake();
  }

  #wake(): void {
    if (this.#isRunning || this.#ended !== undefined) return;
    this.#isRunning = true;
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    try {
      // Whatever is proposed in the same turn of the event loop goes into the same batch.
      await Promise.resolve();
      while (this.#ended === undefined) {
        enterProposals(this.#core, this.#proposals);
        this.#reads.startRound();
        if (this.#snapshots.hasWritten) await this.#room.untilWritten(async () => await this.#snapshots.adopt());
        else if (this.#core.hasReady()) await this.#processReady();
        else return;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  async #processReady(): Promise<void> {
    const ready = this.#core.ready();
    if (ready.mayOverlap) this.#send(ready.messages);
    await this.#write(ready);
    if (this.#ended !== undefined) return;
    if (!ready.mayOverlap) this.#send(ready.messages);
    if (ready.snapshot !== undefined) {
      this.#options.stateMachine.restore(await this.#dataOf(ready.snapshot));
      this.#applied = ready.snapshot.metadata.index;
      this.#snapshots.noteRestored();
    }
    this.#apply(ready.committedEntries);
    this.#core.advance();
    this.#reads.confirmed(ready.readStates);
    this.#reads.applied(this.#applied);
    this.#noteLeader();
    this.#takeSnapshotIfDue();
  }

  /** Snapshots that came in pieces are on disk only. */
  async #dataOf({ metadata, data }: Snapshot): Promise<Uint8Array> {
    if (!this.#snapshotTransfers.isStored(metadata)) return data;
    return (await this.#log.readSnapshot())?.data ?? data;
  }

  async #write(ready: Ready): Promise<void> {
    const hardState = ready.hardState ?? this.#unwrittenHardState;
    // The commit index alone is not worth a write: whoever forgets it is told again by the next leader.
    if (!ready.mustSync) {
      this.#unwrittenHardState = hardState;
      return;
    }
    this.#unwrittenHardState = undefined;
    this.#writeTicks = 0;
    const { snapshot, entries } = ready;
    const isSnapshotStored = snapshot !== undefined && this.#snapshotTransfers.isStored(snapshot.metadata);
    await this.#room.untilWritten(
      async () => await this.#log.write({ hardState, snapshot, isSnapshotStored, entries, mustSync: true }),
      snapshot !== undefined && !isSnapshotStored,
    );
    this.#writeTicks = undefined;
  }

  #send(messages: readonly Message[]): void {
    this.#counts.messagesSent += messages.length;
    const others = messages.filter((message) => message.type !== 'snap');
    if (others.length > 0) this.#options.transport.send(others);
    for (const message of messages) if (message.type === 'snap') this.#snapshotTransfers.send(message);
  }

  #apply(committed: readonly Entry[]): void {
    const last = committed.at(-1);
    if (last === undefined) return;
    let run: Entry[] = [];
    const applyRun = (): void => {
      if (run.length > 0) this.#options.stateMachine.apply(run);
      run = [];
    };
    for (const entry of committed) {
      if (isConfEntry(entry)) {
        applyRun();
        this.#applyConf(entry);
      } else if (entry.data.length > 0) run.push(entry);
    }
    applyRun();
    this.#applied = last.index;
    this.#caughtUpTerm = last.term;
    this.#counts.entriesApplied += committed.length;
    this.#snapshots.noteApplied(committed);
    for (const entry of committed) this.#proposals.applied(entry);
  }

  #applyConf(entry: Entry): void {
    const { confState, changes } = this.#core.applyConfEntry(entry);
    for (const change of changes) this.#options.onConfChange?.(confState, change);
  }

  #takeSnapshotIfDue(): void {
    if (!this.#snapshots.isDue) return;
    const index = this.#applied;
    const term = this.#log.storage.term(index);
    const confState = this.#core.confStateAt(index);
    if (term === undefined || confState === undefined) return;
    this.#snapshots.take({ index, term, confState });
  }

  #noteLeader(): void {
    const { leader, term, role } = this.#core.softState;
    const isLeader = role === 'leader' && this.#caughtUpTerm === term;
    this.#proposals.rejectOthers(role === 'leader' ? term : 0, leader);
    this.#transfers.noteLeader(leader);
    const last = this.#leaderChange;
    if (last.leader === leader && last.term === term && last.isLeader === isLeader) return;
    this.#leaderChange = { leader, term, isLeader };
    this.#options.onLeaderChange?.(this.#leaderChange);
  }

  #refuseAfterEnd(): void {
    if (this.#ended !== undefined) throw new RaftError('stopped', this.#ended.message, { cause: this.#ended });
  }

  #fail(cause: unknown): void {
    if (this.#ended !== undefined) return;
    const error = isRaftError(cause) ? cause : new RaftError('broken', `the member cannot go on: ${cause}`, { cause });
    this.#end(error);
    this.#options.onFatal(error);
  }

  #end(error: RaftError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#cancelTimer?.();
    this.#proposals.rejectAll(
      (outcomeUnknown) => new RaftError('stopped', error.message, { cause: error, outcomeUnknown }),
    );
    const stopped = new RaftError('stopped', error.message, { cause: error });
    this.#reads.rejectAll(stopped);
    this.#transfers.rejectAll(stopped);
    this.#room.end();
    this.#closed = this.#close(error);
  }

  async #close(reason: RaftError): Promise<void> {
    await this.#loop;
    await this.#snapshots.idle();
    await this.#snapshotTransfers.close();
    try {
      const hardState = this.#unwrittenHardState;
      if (reason.code === 'stopped' && hardState !== undefined) await this.#log.write({ hardState, mustSync: false });
    } catch (error) {
      // The commit index alone is not worth more: whoever forgets it is told again.
      if (!isRaftError(error, 'no-space')) throw error;
    } finally {
      await this.#log.close().catch((cause: unknown) => {
        // After a failure nobody waits for this, and there is nothing left to lose.
        if (reason.code === 'stopped') throw cause;
      });
    }
  }
}
