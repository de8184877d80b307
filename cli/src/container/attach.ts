/** Attaching to a container's own process, for `attach`, `run` and `start -a`. */
import type { Context } from '../context.js';
import { joinStreams } from './streams.js';

export interface AttachRequest {
  readonly id: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
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
  return () => joinStreams(ctx, connection, { stdin: r.stdin, tty: r.tty, resizePath: `${path}/resize` });
}

/** ^C is the container's to act on: in a terminal it is a key like others, elsewhere it is sent as a signal. */
export function passInterrupt(ctx: Context, id: string, tty: boolean, wanted: boolean): void {
  if (tty || !wanted) return;
  const send = () => {
    // It may have ended in the meantime.
    ctx.api.post(`/containers/${encodeURIComponent(id)}/kill`, undefined, { signal: 'INT' }).catch(() => undefined);
  };
  ctx.interrupt().addEventListener('abort', send, { once: true });
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
