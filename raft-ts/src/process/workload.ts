// Clients that write and read ten keys at a steady rate, whatever happens to the members, and note what they saw.
import { IDS, type KvProcesses } from './kv-processes.js';
import { findViolation, type Operation } from './register-checker.js';

const KEYS = 10;
const PERIOD_MS = 25;
/** Operations of one kind that may be under way: clients wait rather than pile up while nobody leads. */
const MAX_OPEN = 200;
/** A redirection is followed so often; then the client begins anew. */
const MAX_REDIRECTIONS = 3;

export interface WorkloadCounts {
  readonly writes: number;
  readonly unknownWrites: number;
  readonly reads: number;
}

export class Workload {
  readonly #group: KvProcesses;
  readonly #perPeriod: number;
  readonly #histories = new Map<string, Operation[]>();
  readonly #open = { write: 0, read: 0 };
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;
  #leaderUrl: string;
  counts = { writes: 0, unknownWrites: 0, reads: 0 };

  constructor(group: KvProcesses, perSecond: number) {
    this.#group = group;
    this.#perPeriod = Math.max(1, Math.round((perSecond * PERIOD_MS) / 1000));
    this.#leaderUrl = group.url(1);
    for (let key = 0; key < KEYS; key += 1) this.#histories.set(`key${key}`, []);
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (let each = 0; each < this.#perPeriod; each += 1) this.#startTwo();
    }, PERIOD_MS);
  }

  #startTwo(): void {
    this.#count += 1;
    const key = `key${this.#count % KEYS}`;
    if (this.#open.write < MAX_OPEN) this.#supervise('write', this.#write(key, `${this.#count}`));
    // Every member answers reads, not only the leader.
    const id = IDS[this.#count % IDS.length] ?? 1;
    if (this.#open.read < MAX_OPEN) this.#supervise('read', this.read(this.#group.url(id), key));
  }

  #supervise(kind: 'write' | 'read', operation: Promise<void>): void {
    this.#open[kind] += 1;
    const running = operation.finally(() => {
      this.#open[kind] -= 1;
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  async #write(key: string, value: string): Promise<void> {
    const start = performance.now();
    let url = this.#leaderUrl;
    for (let redirections = 0; redirections <= MAX_REDIRECTIONS; redirections += 1) {
      const answer = await this.#group.put(url, key, value).catch((error: NodeJS.ErrnoException) => error);
      if (answer instanceof Error) {
        this.#leaderUrl = this.#group.url(IDS[this.#count % IDS.length] ?? 1);
        // Only who could not even be connected to has surely not got it.
        if (answer.code !== 'ECONNREFUSED') this.#noteUnknown(key, value, start);
        return;
      }
      if (answer.status === 204) {
        this.#leaderUrl = url;
        this.counts.writes += 1;
        this.#note(key, { kind: 'write', value, start, end: performance.now() });
        return;
      }
      if (answer.status === 504) this.#noteUnknown(key, value, start);
      if (answer.status !== 307 || answer.location === undefined) return;
      url = new URL(answer.location).origin;
    }
  }

  #noteUnknown(key: string, value: string, start: number): void {
    this.counts.unknownWrites += 1;
    this.#note(key, { kind: 'write', value, start, end: Number.POSITIVE_INFINITY });
  }

  /** One read of a key from one member; notes it if it was answered. */
  async read(url: string, key: string): Promise<void> {
    const start = performance.now();
    const answer = await this.#group.get(url, key).catch(() => undefined);
    if (answer?.status !== 200 && answer?.status !== 404) return;
    const value = answer.status === 200 ? answer.body : undefined;
    this.counts.reads += 1;
    this.#note(key, { kind: 'read', value, start, end: performance.now() });
  }

  #note(key: string, operation: Operation): void {
    this.#histories.get(key)?.push(operation);
  }

  get keys(): readonly string[] {
    return [...this.#histories.keys()];
  }

  /** Begins nothing more; resolves when everything under way is over. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** The first violation of any key's history, if there is one. */
  violation(): string | undefined {
    for (const [key, history] of this.#histories) {
      const violation = findViolation(history);
      if (violation !== undefined) return `${key}: ${violation}`;
    }
    return undefined;
  }
}
