/** Questions that are asked over and over do not end with one that fails while a daemon restarts or the managers elect a leader. */
import type { Context } from '../context.js';
import { CommandError, errorText } from '../exit.js';
import { ApiError, ConnectionError } from './client.js';

const OUTAGE_MS = 30_000;
const RETRY_MS = 500;

/** Nobody answered for so long that it is not known how things are. */
export class OutageError extends CommandError {
  constructor(cause: unknown) {
    super(`there was no answer for ${OUTAGE_MS / 1000} seconds: ${errorText(cause)}`);
    this.name = 'OutageError';
  }
}

/** The answer; undefined when `signal` is aborted before there is one. Throws OutageError, and every other refusal at once. */
export async function throughOutage<T>(
  ctx: Context,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  const startMs = ctx.now();
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (e) {
      if (!mayPass(e)) throw e;
      if (ctx.now() - startMs >= OUTAGE_MS) throw new OutageError(e);
    }
    await ctx.sleep(RETRY_MS, signal);
  }
  return undefined;
}

function mayPass(e: unknown): boolean {
  if (e instanceof ApiError) return e.status >= 500;
  // An answer that breaks off is no error of the connecting.
  return e instanceof ConnectionError || (e instanceof Error && 'code' in e && e.code === 'ECONNRESET');
}
