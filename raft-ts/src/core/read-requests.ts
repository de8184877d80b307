// Linearizable reads on a leader: a request notes the commit index of its moment, and is answered once a majority has
// confirmed, by answering a heartbeat sent afterwards, that this leader still led. Confirming one request confirms all
// that came before it.
import { hasQuorum, type VoterSets } from './quorum.js';

export interface ReadRequest {
  readonly from: number;
  readonly index: number;
  readonly context: Uint8Array;
}

interface Waiting extends ReadRequest {
  readonly key: string;
  readonly acks: Set<number>;
}

const keyOf = (context: Uint8Array): string => Buffer.from(context).toString('latin1');

export class ReadRequests {
  #waiting: Waiting[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  add(request: ReadRequest, self: number): void {
    const key = keyOf(request.context);
    if (this.#waiting.some((waiting) => waiting.key === key)) return;
    this.#waiting.push({ ...request, key, acks: new Set([self]) });
  }

  /** The newest context, to go with the next heartbeats. */
  newestContext(): Uint8Array | undefined {
    return this.#waiting.at(-1)?.context;
  }

  /** A member confirmed `context`. Returns the requests that are thereby answered, oldest first. */
  confirm(from: number, context: Uint8Array, voters: VoterSets): readonly ReadRequest[] {
    const key = keyOf(context);
    const at = this.#waiting.findIndex((waiting) => waiting.key === key);
    const waiting = this.#waiting[at];
    if (waiting === undefined) return [];
    waiting.acks.add(from);
    if (!hasQuorum(voters, (id) => waiting.acks.has(id))) return [];
    return this.#waiting.splice(0, at + 1);
  }
}
