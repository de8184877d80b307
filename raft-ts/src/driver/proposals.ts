// Proposals between the caller and the log: first queued, so that those that come together go into one write, then
// waiting at their index. One is fulfilled when the entry at its index and term is applied here.
import { RaftError } from '../errors.js';
import type { CommittedEntry, MembershipChange } from '../types.js';
import type { ProposalResult } from './options.js';

/** Beyond this the caller is told `dropped`: memory must not grow while the disk is slow. */
export const MAX_QUEUED_PROPOSALS = 16_384;

/** Proposals that enter the log together; if it has no room, they are refused together. */
const MAX_GROUP_BYTES = 1024 * 1024;

export type Payload =
  | { readonly kind: 'normal'; readonly data: Uint8Array }
  | { readonly kind: 'conf'; readonly change: MembershipChange };

export interface Proposal {
  readonly payload: Payload;
  resolve(result: ProposalResult): void;
  reject(error: RaftError): void;
  /** Nobody waits any more. */
  settled: boolean;
}

export class Proposals {
  #queue: Proposal[] = [];
  readonly #waiting = new Map<number, { readonly term: number; readonly proposal: Proposal }>();

  /** Queues a proposal; the promise settles once its fate is known. */
  add(payload: Payload, signal: AbortSignal | undefined): Promise<ProposalResult> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new RaftError('aborted', 'the proposal was aborted', { cause: signal.reason }));
        return;
      }
      if (this.#queue.length >= MAX_QUEUED_PROPOSALS) {
        reject(new RaftError('dropped', `${this.#queue.length} proposals are queued already`));
        return;
      }
      const onAbort = (): void => {
        const outcomeUnknown = !this.#queue.includes(proposal);
        this.#queue = this.#queue.filter((queued) => queued !== proposal);
        proposal.reject(
          new RaftError('aborted', 'the proposal was aborted', { cause: signal?.reason, outcomeUnknown }),
        );
      };
      const settle = (): boolean => {
        if (proposal.settled) return false;
        proposal.settled = true;
        signal?.removeEventListener('abort', onAbort);
        return true;
      };
      const proposal: Proposal = {
        payload,
        settled: false,
        resolve: (result) => {
          if (settle()) resolve(result);
        },
        reject: (error) => {
          if (settle()) reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort);
      this.#queue.push(proposal);
    });
  }

  get queued(): number {
    return this.#queue.length;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  takeQueue(): readonly Proposal[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue;
  }

  /** The proposals entered the log, one after the other from `index` on. */
  entered(proposals: readonly Proposal[], index: number, term: number): void {
    for (const [at, proposal] of proposals.entries()) this.#waiting.set(index + at, { term, proposal });
  }

  applied(entry: CommittedEntry): void {
    const waiting = this.#waiting.get(entry.index);
    if (waiting === undefined) return;
    this.#waiting.delete(entry.index);
    if (waiting.term === entry.term) waiting.proposal.resolve({ index: entry.index, term: entry.term });
    else waiting.proposal.reject(new RaftError('leadership-lost', 'another leader replaced the proposal'));
  }

  /** Gives up on what was not proposed as the leader of `term` (0: as any). */
  rejectOthers(term: number, leader: number): void {
    for (const [index, waiting] of this.#waiting) {
      if (waiting.term === term) continue;
      this.#waiting.delete(index);
      const message = 'the leadership was lost before the proposal was committed';
      waiting.proposal.reject(new RaftError('leadership-lost', message, { outcomeUnknown: true, leader }));
    }
  }

  /** Refuses what has not entered the log yet. */
  rejectQueue(error: RaftError): void {
    for (const proposal of this.takeQueue()) proposal.reject(error);
  }

  rejectAll(makeError: (outcomeUnknown: boolean) => RaftError): void {
    for (const proposal of this.takeQueue()) proposal.reject(makeError(false));
    for (const { proposal } of this.#waiting.values()) proposal.reject(makeError(true));
    this.#waiting.clear();
  }
}

/** Payloads that enter the log together go into few messages; a membership change goes alone. Keeps the order. */
export function groupProposals(queue: readonly Proposal[]): Proposal[][] {
  const groups: Proposal[][] = [];
  let current: Proposal[] = [];
  let bytes = 0;
  for (const proposal of queue) {
    const { payload } = proposal;
    const size = payload.kind === 'normal' ? payload.data.length : 0;
    if (payload.kind === 'conf') {
      groups.push([proposal]);
      current = [];
      continue;
    }
    if (current.length === 0 || bytes + size > MAX_GROUP_BYTES) {
      current = [];
      bytes = 0;
      groups.push(current);
    }
    current.push(proposal);
    bytes += size;
  }
  return groups;
}
