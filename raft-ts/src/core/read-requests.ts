// Linearizable reads on a leader: a request notes the commit index of its moment, and is answered once a majority has
// confirmed, by answering a heartbeat sent afterwards, that this leader still led. Requests are numbered in the order
// in which they came; a heartbeat carries the number of the newest, and confirming one confirms all before it.
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import { isRaftError } from '../errors.js';
import { NO_DATA } from '../types.js';
import { committedIndex, type VoterSets } from './quorum.js';

export interface ReadRequest {
  readonly from: number;
  /** What was committed when the request came. */
  readonly index: number;
  readonly context: Uint8Array;
}

/** Requests that wait at once, for a confirmation or for the leader's first commit; more are dropped: ask again. */
export const MAX_WAITING_READS = 1024;

export class ReadRequests {
  #unconfirmed: ReadRequest[] = [];
  /** How many were confirmed before the first of #unconfirmed. */
  #confirmed = 0;
  readonly #acks = new Map<number, number>();
  /** Came before the leader had committed anything. */
  #early: { readonly from: number; readonly context: Uint8Array }[] = [];

  add(request: ReadRequest, self: number): boolean {
    if (this.#unconfirmed.length >= MAX_WAITING_READS) return false;
    this.#unconfirmed.push(request);
    this.#ack(self, this.#newest);
    return true;
  }

  /** Keeps a request until the leader has committed something. */
  postpone(from: number, context: Uint8Array): void {
    if (this.#early.length < MAX_WAITING_READS) this.#early.push({ from, context });
  }

  takePostponed(): readonly { readonly from: number; readonly context: Uint8Array }[] {
    return this.#early.splice(0);
  }

  /** Goes with the next heartbeats; empty if nothing waits. */
  heartbeatContext(): Uint8Array {
    if (this.#unconfirmed.length === 0) return NO_DATA;
    const writer = new ByteWriter();
    writer.uint(this.#newest);
    return writer.finish();
  }

  /** A member answered a heartbeat with this context. Returns the requests that are thereby answered, oldest first. */
  confirm(
    from: number,
    context: Uint8Array,
    voters: VoterSets,
    majority: (size: number) => number,
  ): readonly ReadRequest[] {
    const position = positionOf(context);
    if (position === undefined || position > this.#newest) return [];
    this.#ack(from, position);
    const confirmed = committedIndex(voters, (id) => this.#acks.get(id), majority);
    const answered = this.#unconfirmed.splice(0, Math.max(0, Math.min(confirmed, this.#newest) - this.#confirmed));
    this.#confirmed += answered.length;
    return answered;
  }

  get #newest(): number {
    return this.#confirmed + this.#unconfirmed.length;
  }

  #ack(from: number, position: number): void {
    this.#acks.set(from, Math.max(position, this.#acks.get(from) ?? 0));
  }
}

/** Undefined for what this leader cannot have sent. */
function positionOf(context: Uint8Array): number | undefined {
  try {
    const reader = new ByteReader(context, 'malformed');
    const position = reader.uint();
    reader.end();
    return position;
  } catch (error) {
    if (isRaftError(error, 'malformed')) return undefined;
    throw error;
  }
}
