/** Joins the caller's terminal or pipes with the streams of a process in a container. */
import type { Duplex } from 'node:stream';
import type { Context } from '../context.js';
import { readFrames, writeBytes } from '../http/frames.js';

export interface StreamOptions {
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Where the size of the terminal is told, e.g. "/exec/X/resize". */
  readonly resizePath?: string;
}

/** Resolves when the process's output has ended. */
export async function joinStreams(ctx: Context, connection: Duplex, o: StreamOptions): Promise<void> {
  const stdin = o.stdin ? ctx.stdin() : undefined;
  const raw = o.stdin && o.tty ? ctx.terminal : undefined;
  const stopResizing = o.tty ? followSize(ctx, o.resizePath) : () => undefined;
  raw?.raw(true);
  connection.on('error', () => connection.destroy());
  const onDrain = () => void stdin?.resume();
  const onData = (chunk: Buffer) => {
    if (!connection.write(chunk)) stdin?.pause();
  };
  connection.on('drain', onDrain);
  const onEnd = () => void connection.end();
  stdin?.on('data', onData);
  stdin?.on('end', onEnd);
  if (!stdin) connection.end();
  try {
    await (o.tty ? ctx.out.pipe(connection) : showFrames(ctx, connection));
  } finally {
    raw?.raw(false);
    stopResizing();
    stdin?.off('data', onData);
    stdin?.off('end', onEnd);
    connection.off('drain', onDrain);
    stdin?.pause();
    stdin?.destroy();
    connection.destroy();
  }
}

async function showFrames(ctx: Context, connection: Duplex): Promise<void> {
  for await (const { stream, data } of readFrames(connection)) {
    await writeBytes(stream === 'stdout' ? ctx.out : ctx.err, data);
  }
}

function followSize(ctx: Context, path: string | undefined): () => void {
  const { terminal } = ctx;
  if (!terminal || path === undefined) return () => undefined;
  const tell = () => {
    const { rows, columns } = terminal.size();
    // The process may not have begun, or have ended: its size is of no interest then.
    ctx.api.post(path, undefined, { h: rows, w: columns }).catch(() => undefined);
  };
  tell();
  return terminal.onResize(tell);
}
