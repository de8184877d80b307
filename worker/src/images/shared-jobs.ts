/**
 * Work that several callers may want at the same time, done once: the first caller starts it, later ones join, and it is
 * aborted only when every caller has given up.
 */
import { messageOf, SwarmtsError } from '@swarmts/lib';

interface Job<V, P> {
  readonly result: Promise<V>;
  readonly abort: AbortController;
  readonly listeners: Set<(progress: P) => void>;
  waiters: number;
  last?: P;
}

export class SharedJobs<V, P> {
  readonly #jobs = new Map<string, Job<V, P>>();

  get size(): number {
    return this.#jobs.size;
  }

  /**
   * Joins the job `key` or starts it. Rejects with 'aborted' when `signal` aborts, without disturbing the other callers.
   * A joiner that hears the newest progress at once does not look stuck.
   */
  async run(
    key: string,
    start: (signal: AbortSignal, report: (progress: P) => void) => Promise<V>,
    options: { signal?: AbortSignal | undefined; onProgress?: ((progress: P) => void) | undefined } = {},
  ): Promise<V> {
    throwIfAborted(options.signal);
    const job = this.#jobs.get(key) ?? this.#start(key, start);
    const listener = options.onProgress;
    job.waiters++;
    if (listener) {
      job.listeners.add(listener);
      if (job.last !== undefined) listener(job.last);
    }
    try {
      return await untilAborted(job.result, options.signal);
    } finally {
      if (listener) job.listeners.delete(listener);
      if (--job.waiters === 0) job.abort.abort(new SwarmtsError('aborted', 'nobody waits for it any more'));
    }
  }

  #start(key: string, start: (signal: AbortSignal, report: (progress: P) => void) => Promise<V>): Job<V, P> {
    const abort = new AbortController();
    const listeners = new Set<(progress: P) => void>();
    const report = (progress: P) => {
      job.last = progress;
      for (const l of listeners) l(progress);
    };
    // One that was given up does not forget the one that came after it.
    const forget = () => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    };
    const result = Promise.resolve()
      .then(() => start(abort.signal, report))
      .finally(forget);
    // Every waiter sees the rejection itself; this only keeps an abandoned job from counting as unhandled.
    result.catch(() => undefined);
    const job: Job<V, P> = { result, abort, listeners, waiters: 0 };
    this.#jobs.set(key, job);
    // An abandoned job must not be joined while it is dying.
    abort.signal.addEventListener('abort', forget);
    return job;
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

export function abortError(signal: AbortSignal): SwarmtsError {
  const reason: unknown = signal.reason;
  if (reason instanceof SwarmtsError) return reason;
  return new SwarmtsError('aborted', `cancelled: ${messageOf(reason)}`, { cause: reason });
}

/** `promise`, or a rejection with 'aborted' as soon as the signal aborts. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A counting semaphore; waiters are served in order. The number of waiters is bounded by the callers (layers of pulls). */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
