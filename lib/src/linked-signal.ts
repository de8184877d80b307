/**
 * A signal that aborts with the first of several. In the place of AbortSignal.any(): Node 20 never forgets what was made of a signal that
 * lives as long as the process, and a busy daemon grows without end.
 */
import { setMaxListeners } from 'node:events';

export interface LinkedSignal {
  /** Its reason is that of the first. */
  readonly signal: AbortSignal;
  /** Lets go of the others; the owner calls it when the work is over. Where one of them surely aborts nobody has to. */
  release(): void;
}

export function linkedSignal(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const linked = new AbortController();
  const known = sources.filter((s) => s !== undefined);
  // As many as wait are no leak, which is what Node would warn of.
  setMaxListeners(0, linked.signal, ...known);
  const release = () => {
    for (const s of known) s.removeEventListener('abort', onAbort);
  };
  const onAbort = (e: Event) => {
    release();
    linked.abort((e.target as AbortSignal).reason);
  };
  const aborted = known.find((s) => s.aborted);
  if (aborted) linked.abort(aborted.reason);
  else for (const s of known) s.addEventListener('abort', onAbort);
  return { signal: linked.signal, release };
}

/** Works under a signal that aborts with the first of several. */
export async function underSignals<T>(
  sources: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, release } = linkedSignal(...sources);
  try {
    return await work(signal);
  } finally {
    release();
  }
}

/** As `underSignals`, for what comes piece by piece. */
export async function* streamUnderSignals<T>(
  sources: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const { signal, release } = linkedSignal(...sources);
  try {
    yield* work(signal);
  } finally {
    release();
  }
}
