/** Attaching to a container's own process, for `attach`, `run` and `start -a`. */
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { joinStreams } from './streams.js';

export interface AttachRequest {
  readonly id: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
  /** Ends the streams, and nothing of the container. */
  readonly signal: AbortSignal;
}

/** Resolves, when it is attached, to a promise of the end of the streams. */
export async function attachTo(ctx: Context, r: AttachRequest): Promise<() => Promise<void>> {
  const path = `/containers/${encodeURIComponent(r.id)}`;
  const connection = await ctx.api.hijack(`${path}/attach`, {
    query: {
      stream: true,
      stdin: r.stdin,
      stdout: r.stdout,
      stderr: r.stderr,
      detachKeys: r.detachKeys === '' ? undefined : r.detachKeys,
    },
  });
  const leave = () => void connection.destroy();
  if (r.signal.aborted) leave();
  r.signal.addEventListener('abort', leave, { once: true });
  return () => joinStreams(ctx, connection, { stdin: r.stdin, tty: r.tty, resizePath: `${path}/resize` });
}

/** Signals that mean nothing to this process; faults of its own, its children and its pipes are none of the container’s. SIGTTIN and SIGTTOU stop it in the background: caught, they come without end. */
const FORWARDED: readonly NodeJS.Signals[] = [
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGTRAP'] as const),
  ...(['SIGCONT', 'SIGTSTP', 'SIGWINCH', 'SIGIO', 'SIGPWR', 'SIGXCPU', 'SIGXFSZ'] as const),
];

/** So often SIGINT or SIGTERM, and whoever waits for a container that does not care gets away, as from Docker's command. */
const FORCING_COUNT = 3;

/**
 * Does `work` while signals go to the container. Throws CommandError when somebody insists on an end, and aborts the signal that
 * `work` was given.
 */
export async function forwardingSignals<T>(
  ctx: Context,
  id: string,
  wanted: boolean,
  work: (forced: AbortSignal) => Promise<T>,
): Promise<T> {
  const forced = new AbortController();
  if (!wanted) return await work(forced.signal);
  let endings = 0;
  let stop = () => {};
  const insisted = new Promise<never>((_, reject) => {
    stop = ctx.onSignals(FORWARDED, (signal) => {
      const query = { signal: signal.slice('SIG'.length) };
      // It may not have begun, or have ended.
      ctx.api.post(`/containers/${encodeURIComponent(id)}/kill`, undefined, query).catch(() => undefined);
      if (signal !== 'SIGINT' && signal !== 'SIGTERM') return;
      if (++endings < FORCING_COUNT) return;
      reject(new CommandError(`got ${FORCING_COUNT} SIGTERM/SIGINTs, forcefully exiting`));
      forced.abort();
    });
  });
  try {
    return await Promise.race([work(forced.signal), insisted]);
  } finally {
    stop();
  }
}

/** Whether the container that was attached to still runs: it was left with the detach keys. */
export async function isDetached(ctx: Context, id: string): Promise<boolean> {
  const path = `/containers/${encodeURIComponent(id)}/json`;
  const now = await ctx.api.find<{ readonly State: { readonly Running: boolean } }>(path);
  return now?.State.Running === true;
}

/** Asks before the container runs: the answer comes when it has ended (or is removed). */
export async function waitFor(ctx: Context, id: string, condition: string): Promise<() => Promise<number>> {
  const stream = await ctx.api.open('POST', `/containers/${encodeURIComponent(id)}/wait`, { query: { condition } });
  return async () => {
    let text = '';
    for await (const chunk of stream) text += (chunk as Buffer).toString();
    const answer = JSON.parse(text) as { readonly StatusCode: number };
    return answer.StatusCode;
  };
}
