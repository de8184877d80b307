/** The receiving side of Raft's messages between managers: chunks are put together, and a message that is refused ends its stream. */
import { isSwarmtsError, type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import { type RaftChunk, RaftStreamEnd, RaftTransportService } from '@swarmts/proto';
import type { RpcServer } from '../rpc/server.js';
import { refusalOf } from './peer-transport.js';

/** Largest raft message, a snapshot: a store of a million tasks is below this. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 * 1024 - 1;

/** `receive` is given whole messages, and throws what their sender is to be told. */
export function serveMessages(server: RpcServer, receive: (message: Uint8Array) => void, log: Logger): void {
  server.clientStream(RaftTransportService.stream, (call, _caller, end) => {
    const assembler = new ChunkAssembler();
    call.on('data', (chunk) => {
      try {
        const whole = assembler.add(chunk);
        if (whole) receive(whole);
      } catch (e) {
        // One that was removed, or comes too early, calls again and again.
        const isExpected = isSwarmtsError(e, 'permission-denied', 'unavailable');
        log[isExpected ? 'debug' : 'warn']('raft message was refused', { error: messageOf(e) });
        end(refusalOf(e));
      }
    });
    call.on('end', () => end(null, RaftStreamEnd.create({})));
    call.on('error', () => undefined);
  });
}

/** Puts the chunks of one stream together. */
class ChunkAssembler {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** The whole message when its last chunk came; undefined before. */
  add(chunk: RaftChunk): Uint8Array | undefined {
    this.#parts.push(chunk.data);
    this.#bytes += chunk.data.length;
    if (this.#bytes > MAX_MESSAGE_BYTES)
      throw new SwarmtsError('resource-exhausted', `a raft message of more than ${MAX_MESSAGE_BYTES} bytes`);
    if (chunk.more) return undefined;
    const whole = this.#parts.length === 1 ? chunk.data : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return whole;
  }
}
