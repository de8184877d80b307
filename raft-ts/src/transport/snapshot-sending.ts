// One attempt to send a snapshot: announce it, hear how much of it is there already, send the rest at the pace at which
// the other side takes it, and wait for the confirmation that all of it is on disk.
import { once } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { SnapshotSource } from '../driver/options.js';
import { RaftError } from '../errors.js';
import type { SnapshotMessage } from '../message.js';
import { packSnapshotFrame, unpackOffset } from './frames.js';

/** Pieces on the wire: small enough that heartbeats on the same connection get through between them. */
const CHUNK_BYTES = 256 * 1024;

/** `progress` says how much the other side had when the attempt began. Throws if the attempt fails. */
export async function sendSnapshotOnce(
  call: ClientDuplexStream<Buffer, Buffer>,
  message: SnapshotMessage,
  source: SnapshotSource,
  progress: { offsetBytes: number },
): Promise<void> {
  const ended = endOf(call);
  // Looked at below; a failure before that is not unhandled.
  ended.catch(() => undefined);
  call.write(packSnapshotFrame({ kind: 'begin', key: source.key, sizeBytes: source.sizeBytes, message }));
  const [answer] = await Promise.race([once(call, 'data'), ended.then(() => [undefined])]);
  if (!(answer instanceof Buffer)) throw new RaftError('malformed', 'the snapshot was not answered');
  const offset = unpackOffset(answer);
  progress.offsetBytes = offset;
  await sendFrom(call, source, offset, ended);
  call.end();
  // The stream must flow for its end to come.
  call.resume();
  await ended;
}

/** Resolves with an OK status, rejects with any other. */
function endOf(call: ClientDuplexStream<Buffer, Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    call.once('status', (status: { code: number; details: string }) => {
      if (status.code === 0) resolve();
      else reject(new RaftError('dropped', `the snapshot was not taken: ${status.details}`));
    });
    call.on('error', reject);
  });
}

async function sendFrom(
  call: ClientDuplexStream<Buffer, Buffer>,
  source: SnapshotSource,
  offset: number,
  ended: Promise<void>,
): Promise<void> {
  let at = 0;
  for await (const stored of await source.chunks()) {
    const from = Math.max(0, offset - at);
    for (let start = from; start < stored.length; start += CHUNK_BYTES) {
      const bytes = stored.subarray(start, start + CHUNK_BYTES);
      const hasRoom = call.write(packSnapshotFrame({ kind: 'chunk', offsetBytes: at + start, bytes }));
      if (!hasRoom) await Promise.race([once(call, 'drain'), ended]);
    }
    at += stored.length;
  }
}
