// What a leader knows about one member's log, and how it is fed: one append at a time while their agreement is unknown
// (probe), a bounded stream once it is known (replicate), nothing while a snapshot travels (snapshot).
// Invariant: match < next, and match never goes down while the leader leads.
import type { ProgressState, ProgressStatus } from '../types.js';
import { type InflightLimits, Inflights } from './inflights.js';

export class Progress {
  match = 0;
  next: number;
  state: ProgressState = 'probe';
  recentActive = false;
  isLearner: boolean;
  /** Index of the snapshot under way, in state `snapshot`. */
  pendingSnapshot = 0;
  /** Nothing more is sent until an answer comes: a probe is out, or the stream is full. */
  flowPaused = false;
  readonly inflights: Inflights;
  /** The highest commit index that was sent and can take effect. */
  #sentCommit = 0;

  constructor(next: number, limits: InflightLimits, isLearner = false) {
    this.next = next;
    this.inflights = new Inflights(limits);
    this.isLearner = isLearner;
  }

  get isPaused(): boolean {
    return this.state === 'snapshot' || this.flowPaused;
  }

  becomeProbe(): void {
    // After a snapshot the member is known to hold at least that, if it arrived.
    const afterSnapshot = this.state === 'snapshot' ? this.pendingSnapshot + 1 : 0;
    this.#enter('probe');
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#limitSentCommit();
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** The snapshot did not arrive: probe from what is known. */
  snapshotFailed(): void {
    this.pendingSnapshot = 0;
  }

  /** Notes that an append with so many entries and payload bytes went out. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      // What overflows the stream counts as a probe.
      this.flowPaused = this.inflights.isFull;
    } else if (count > 0) {
      this.flowPaused = true;
    }
  }

  /** Notes that `commit` went out with an append or a heartbeat. */
  sentCommit(commit: number): void {
    this.#sentCommit = commit;
  }

  /** Whether telling the member about `commit` could take it any further. */
  canBumpCommit(commit: number): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** An append up to `index` was accepted. False if that is old news. */
  accept(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /** An append after `rejected` was refused; go back to where the logs may agree. False if the answer is stale. */
  reject(rejected: number, agreeAt: number): boolean {
    // It was accepted before: an old answer, or a member that has lost what it had. Asking again at once would not end.
    if (rejected <= this.match) return false;
    if (this.state === 'replicate') {
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, agreeAt + 1), this.match + 1);
      this.flowPaused = false;
    }
    this.#limitSentCommit();
    return true;
  }

  status(): ProgressStatus {
    return {
      match: this.match,
      next: this.next,
      state: this.state,
      recentActive: this.recentActive,
      isLearner: this.isLearner,
      isPaused: this.isPaused,
      pendingSnapshot: this.pendingSnapshot,
      inflight: this.inflights.count,
      inflightFull: this.inflights.isFull,
    };
  }

  #limitSentCommit(): void {
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }
}
