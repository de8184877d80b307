/** A signal that aborts with another one, or after a time. */
import { type LinkedSignal, linkedSignal } from './linked-signal.js';

/** Its reason is that of the other one, or a DOMException by the name of TimeoutError. In the place of AbortSignal.any() with AbortSignal.timeout(): Node 20 collects that timeout as garbage, and nothing is aborted then. */
export function boundedSignal(signal: AbortSignal, timeoutMs: number): LinkedSignal {
  const late = new AbortController();
  const onTimeout = () => late.abort(new DOMException(`not done within ${timeoutMs} ms`, 'TimeoutError'));
  const timer = setTimeout(onTimeout, timeoutMs);
  const linked = linkedSignal(signal, late.signal);
  return {
    signal: linked.signal,
    release: () => {
      clearTimeout(timer);
      linked.release();
    },
  };
}
