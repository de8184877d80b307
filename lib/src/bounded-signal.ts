/** A signal that aborts with another one, or after a time. */

export interface BoundedSignal {
  /** Its reason is that of the other one, or a DOMException by the name of TimeoutError. */
  readonly signal: AbortSignal;
  /** Lets go of timer and listener; the owner calls it when the work is over. */
  release(): void;
}

/** In the place of AbortSignal.any() with AbortSignal.timeout(): Node 20 collects that timeout as garbage, and nothing is aborted then. */
export function boundedSignal(signal: AbortSignal, timeoutMs: number): BoundedSignal {
  const bounded = new AbortController();
  const onAbort = () => bounded.abort(signal.reason);
  const onTimeout = () => bounded.abort(new DOMException(`not done within ${timeoutMs} ms`, 'TimeoutError'));
  const timer = setTimeout(onTimeout, timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return {
    signal: bounded.signal,
    release: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
