// What a leader knows about one member's log, and how it is fed: one append at a time while their agreement is unknown
// (probe), a bounded stream once it is known (replicate), nothing while a snapshot travels (snapshot).
// Invariant: match < next, and match never goes down while the leader leads.
import type { ProgressState, ProgressStatus } from '../types.js';

export class Progress {
  match = 0;
  next: number;
  state: ProgressState = 'probe';
  recentActive = false;
  /** Index of the snapshot under way, in state `snapshot`. */
  pendingSnapshot = 0;
  /** In state `probe`: one append is out, nothing more until an answer or a heartbeat's answer. */
  probeSent = false;
  /** Last indexes of the appends that were not answered yet, ascending. */
  #inflight: number[] = [];
  readonly #maxInflight: number;

  constructor(next: number, maxInflight: number) {
    this.next = next;
    this.#maxInflight = maxInflight;
  }

  get inflightFull(): boolean {
    return this.#inflight.length >= this.#maxInflight;
  }

  isPaused(): boolean {
    switch (this.state) {
      case 'probe':
        return this.probeSent;
      case 'replicate':
        return this.inflightFull;
      case 'snapshot':
        return true;
    }
  }

  becomeProbe(): void {
    // After a snapshot the member is known to hold at least that, if it arrived.
    const afterSnapshot = this.state === 'snapshot' ? this.pendingSnapshot + 1 : 0;
    this.#enter('probe');
    this.next = Math.max(this.match + 1, afterSnapshot);
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
  }

  /** The snapshot did not arrive: probe from what is known. */
  snapshotFailed(): void {
    this.pendingSnapshot = 0;
  }

  /** Notes that an append ending at `lastIndex` (0 for an empty one) went out. */
  sent(lastIndex: number): void {
    if (this.state === 'replicate') {
      if (lastIndex === 0) return;
      this.next = lastIndex + 1;
      this.#inflight.push(lastIndex);
    } else {
      this.probeSent = true;
    }
  }

  /** An append up to `index` was accepted. False if that is old news. */
  accept(index: number): boolean {
    this.next = Math.max(this.next, index + 1);
    if (index <= this.match) return false;
    this.match = index;
    this.probeSent = false;
    return true;
  }

  /** An append after `rejected` was refused; go back to where the logs may agree. False if the answer is stale. */
  reject(rejected: number, agreeAt: number): boolean {
    // It was accepted before: an old answer, or a member that has lost what it had. Asking again at once would not end.
    if (rejected <= this.match) return false;
    if (this.state === 'replicate') {
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, agreeAt + 1), this.match + 1);
    this.probeSent = false;
    return true;
  }

  freeInflightUpTo(index: number): void {
    let count = 0;
    while (count < this.#inflight.length && (this.#inflight[count] ?? 0) <= index) count += 1;
    this.#inflight.splice(0, count);
  }

  /** Lets one more append through: a lost answer must not block the stream for ever. */
  freeOldestInflight(): void {
    this.#inflight.shift();
  }

  status(): ProgressStatus {
    return { match: this.match, next: this.next, state: this.state, recentActive: this.recentActive };
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.probeSent = false;
    this.#inflight = [];
    if (state !== 'snapshot') this.pendingSnapshot = 0;
  }
}
