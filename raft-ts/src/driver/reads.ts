// Linearizable reads as the caller sees them. All reads that come while a round to the leader is under way wait for
// the next round: joining the one under way would miss writes acknowledged since it began. A round that gets no answer
// within an election timeout is repeated.
import { ByteWriter } from '../codec/bytes.js';
import type { ReadState } from '../core/raft.js';
import { RaftError } from '../errors.js';

/** Rounds without an answer until a read is given up. */
const MAX_ATTEMPTS = 5;
/** Reads waiting at once; more are told `dropped`. */
const MAX_READS = 65_536;

interface Read {
  resolve(index: number): void;
  reject(error: RaftError): void;
  settled: boolean;
  /** Ticks that it has waited for a round of its own. */
  waitedTicks: number;
}

interface Round {
  readonly reads: readonly Read[];
  context: Uint8Array;
  elapsedTicks: number;
  attempts: number;
}

export class Reads {
  readonly #id: number;
  readonly #nonce: number;
  readonly #electionTicks: number;
  readonly #ask: (context: Uint8Array) => void;
  #counter = 0;
  #next: Read[] = [];
  #round: Round | undefined;
  #confirmed: { readonly index: number; readonly reads: readonly Read[] }[] = [];

  /** `ask` hands a context to the core; whether anything comes of it is seen by the answer only. */
  constructor(id: number, nonce: number, electionTicks: number, ask: (context: Uint8Array) => void) {
    this.#id = id;
    this.#nonce = nonce;
    this.#electionTicks = electionTicks;
    this.#ask = ask;
  }

  add(signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new RaftError('aborted', 'the read was aborted', { cause: signal.reason }));
        return;
      }
      if (this.#next.length >= MAX_READS) {
        reject(new RaftError('dropped', `${this.#next.length} reads are waiting already`));
        return;
      }
      const onAbort = (): void => {
        this.#next = this.#next.filter((waiting) => waiting !== read);
        read.reject(new RaftError('aborted', 'the read was aborted', { cause: signal?.reason }));
      };
      const settle = (): boolean => {
        if (read.settled) return false;
        read.settled = true;
        signal?.removeEventListener('abort', onAbort);
        return true;
      };
      const read: Read = {
        settled: false,
        waitedTicks: 0,
        resolve: (index) => {
          if (settle()) resolve(index);
        },
        reject: (error) => {
          if (settle()) reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort);
      this.#next.push(read);
    });
  }

  get waiting(): number {
    const confirmed = this.#confirmed.reduce((sum, { reads }) => sum + reads.length, 0);
    return this.#next.length + (this.#round?.reads.length ?? 0) + confirmed;
  }

  /** Starts a round if reads wait and none is under way. */
  startRound(): void {
    if (this.#round !== undefined || this.#next.length === 0) return;
    this.#round = { reads: this.#next, context: this.#newContext(), elapsedTicks: 0, attempts: 1 };
    this.#next = [];
    this.#ask(this.#round.context);
  }

  /** `refusal`: why no round can begin now, for those that have waited too long for one. */
  tick(refusal?: RaftError): void {
    this.#giveUpWaiting(refusal);
    const round = this.#round;
    if (round === undefined) return;
    round.elapsedTicks += 1;
    if (round.elapsedTicks < this.#electionTicks) return;
    round.elapsedTicks = 0;
    const isForgotten = round.reads.every((read) => read.settled);
    if (isForgotten || round.attempts >= MAX_ATTEMPTS) {
      this.#round = undefined;
      const message = `no leader confirmed the read in ${round.attempts} attempts`;
      for (const read of round.reads) read.reject(new RaftError('dropped', message));
      return;
    }
    round.attempts += 1;
    round.context = this.#newContext();
    this.#ask(round.context);
  }

  #giveUpWaiting(refusal: RaftError | undefined): void {
    const limit = MAX_ATTEMPTS * this.#electionTicks;
    for (const read of this.#next) read.waitedTicks += 1;
    // The oldest are the first.
    const kept = this.#next.findIndex((read) => read.waitedTicks < limit);
    const late = this.#next.splice(0, kept < 0 ? this.#next.length : kept);
    for (const read of late) read.reject(refusal ?? new RaftError('dropped', `no read began within ${limit} ticks`));
  }

  confirmed(states: readonly ReadState[]): void {
    for (const state of states) {
      const round = this.#round;
      if (round === undefined || Buffer.compare(round.context, state.context) !== 0) continue;
      this.#round = undefined;
      this.#confirmed.push({ index: state.index, reads: round.reads });
    }
  }

  /** Entries up to `index` are applied: reads up to there may be answered. */
  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    const ready = this.#confirmed.filter((confirmed) => confirmed.index <= index);
    this.#confirmed = this.#confirmed.filter((confirmed) => confirmed.index > index);
    for (const confirmed of ready) for (const read of confirmed.reads) read.resolve(confirmed.index);
  }

  rejectAll(error: RaftError): void {
    const reads = [...this.#next, ...(this.#round?.reads ?? []), ...this.#confirmed.flatMap(({ reads: each }) => each)];
    this.#next = [];
    this.#round = undefined;
    this.#confirmed = [];
    for (const read of reads) read.reject(error);
  }

  /** Never used before by anybody: the leader tells requests apart by it. */
  #newContext(): Uint8Array {
    this.#counter += 1;
    const writer = new ByteWriter();
    writer.uint(this.#id);
    writer.uint(this.#nonce);
    writer.uint(this.#counter);
    return writer.finish();
  }
}
