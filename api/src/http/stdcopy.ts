/**
 * Docker's framing of log streams: [stream, 0, 0, 0, length as big-endian uint32] and the payload. Terminals are sent
 * without frames.
 */
import type { StreamWrite } from './exchange.js';

export type StdStream = 'stdout' | 'stderr' | 'system-error';

const CODES: Readonly<Record<StdStream, number>> = { stdout: 1, stderr: 2, 'system-error': 3 };

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

export function frame(stream: StdStream, payload: Uint8Array): Uint8Array {
  const out = Buffer.alloc(8 + payload.byteLength);
  out[0] = CODES[stream];
  out.writeUInt32BE(payload.byteLength, 4);
  out.set(payload, 8);
  return out;
}

/** The content type of a framed or raw stream; clients before 1.42 know one name only. */
export function streamType(tty: boolean, apiVersion: readonly [number, number]): string {
  return tty || apiVersion[1] < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

export async function writeLog(
  write: StreamWrite,
  tty: boolean,
  stream: StdStream,
  payload: Uint8Array,
): Promise<void> {
  await write(tty ? payload : frame(stream, payload));
}
