/** Another try for what broke off on the way to or from a registry. */
import { Backoff, type Clock, isSwarmtsError, type Logger, messageOf, type Random, sleep } from '@swarmts/lib';
import { abortError } from './shared-jobs.js';

/** Docker's default for --max-download-attempts, and its number of tries for an upload. */
const MAX_ATTEMPTS = 5;
const RETRY_INITIAL_MS = 200;
const RETRY_MAX_MS = 5_000;

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For the log: "download of sha256:...". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly maxAttempts?: number | undefined;
}

export async function retrying<T>(o: RetryOptions, work: () => Promise<T>): Promise<T> {
  const backoff = new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS, random: o.random });
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (e) {
      if (o.signal?.aborted) throw abortError(o.signal);
      if (attempt >= (o.maxAttempts ?? MAX_ATTEMPTS) || !isWorthIt(e)) throw e;
      o.logger.warn(`${o.what} broke off, retrying`, { attempt, error: messageOf(e) });
      await sleep(o.clock, backoff.next(), o.signal);
    }
  }
}

/** A broken connection or a busy registry may do better; a refusal, bad content or a full disk will not. */
function isWorthIt(e: unknown): boolean {
  return !isSwarmtsError(e) || isSwarmtsError(e, 'unavailable', 'resource-exhausted');
}
