// The way to one other member: a stream of message frames, opened when there is something to send, and a call for each
// snapshot. Nothing here waits on behalf of Raft: what does not fit into the queue is lost, and said to be.
import * as grpc from '@grpc/grpc-js';
import { encodeMessage } from '../codec/message-codec.js';
import type { SnapshotSource } from '../driver/options.js';
import { RaftError } from '../errors.js';
import type { Message, SnapshotMessage } from '../message.js';
import { packMessages } from './frames.js';
import { CHANNEL_OPTIONS, MESSAGES, SNAPSHOT } from './grpc-service.js';
import { sendSnapshotOnce } from './snapshot-sending.js';

/** Bytes that may wait for one member: a few times what a leader keeps in flight to it. More are dropped. */
const QUEUE_LIMIT_BYTES = 64 * 1024 * 1024;
/** A frame is closed when it has grown so large; heartbeats behind it need not wait for more. */
const FRAME_BYTES = 1024 * 1024;
/** After a stream has failed, no new one is opened for so long. */
const RETRY_MS = 100;
/** A snapshot is given up after so many connections in a row that brought it no further. */
const SNAPSHOT_ATTEMPTS = 10;
const SNAPSHOT_RETRY_MS = 200;

export interface GrpcPeerParts {
  readonly address: string;
  readonly credentials: grpc.ChannelCredentials;
  readonly channelOptions: grpc.ChannelOptions;
  readonly onUnreachable: () => void;
}

export class GrpcPeer {
  readonly address: string;
  readonly #client: grpc.Client;
  readonly #onUnreachable: () => void;
  #stream: grpc.ClientWritableStream<Buffer> | undefined;
  #queuedBytes = 0;
  #retryAtMs = 0;
  #isClosed = false;

  constructor(parts: GrpcPeerParts) {
    this.address = parts.address;
    this.#onUnreachable = parts.onUnreachable;
    this.#client = new grpc.Client(parts.address, parts.credentials, { ...CHANNEL_OPTIONS, ...parts.channelOptions });
  }

  send(messages: readonly Message[]): void {
    if (this.#isClosed || performance.now() < this.#retryAtMs || this.#queuedBytes > QUEUE_LIMIT_BYTES) {
      this.#onUnreachable();
      return;
    }
    const stream = this.#stream ?? this.#open();
    let frame: Uint8Array[] = [];
    let bytes = 0;
    for (const message of messages) {
      const encoded = encodeMessage(message);
      frame.push(encoded);
      bytes += encoded.length;
      if (bytes < FRAME_BYTES) continue;
      this.#write(stream, packMessages(frame));
      frame = [];
      bytes = 0;
    }
    if (frame.length > 0) this.#write(stream, packMessages(frame));
  }

  #write(stream: grpc.ClientWritableStream<Buffer>, frame: Buffer): void {
    this.#queuedBytes += frame.length;
    stream.write(frame, () => {
      if (this.#stream === stream) this.#queuedBytes -= frame.length;
    });
  }

  #open(): grpc.ClientWritableStream<Buffer> {
    const stream = this.#client.makeClientStreamRequest<Buffer, Buffer>(
      MESSAGES.path,
      MESSAGES.requestSerialize,
      MESSAGES.responseDeserialize,
      new grpc.Metadata(),
      {},
      () => {
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        this.#queuedBytes = 0;
        this.#retryAtMs = performance.now() + RETRY_MS;
        if (!this.#isClosed) this.#onUnreachable();
      },
    );
    // Errors come through the callback; without a listener they would also end the process.
    stream.on('error', () => undefined);
    this.#stream = stream;
    return stream;
  }

  /** Resolves when the other side has all of it. Goes on over new connections as long as that brings it further. */
  async sendSnapshot(message: SnapshotMessage, source: SnapshotSource, signal: AbortSignal): Promise<void> {
    let reached = -1;
    for (let attempts = 0; ; attempts += 1) {
      if (signal.aborted || this.#isClosed) throw new RaftError('aborted', 'the transport was closed');
      const outcome = await this.#sendSnapshotOnce(message, source, signal);
      if (outcome.error === undefined) return;
      if (outcome.offsetBytes > reached) {
        reached = outcome.offsetBytes;
        attempts = 0;
      }
      if (attempts >= SNAPSHOT_ATTEMPTS) throw outcome.error;
      await pause(SNAPSHOT_RETRY_MS, signal);
    }
  }

  /** How far it came, and the error that ended it, if any. */
  async #sendSnapshotOnce(
    message: SnapshotMessage,
    source: SnapshotSource,
    signal: AbortSignal,
  ): Promise<{ offsetBytes: number; error: unknown }> {
    const progress = { offsetBytes: -1 };
    const call = this.#client.makeBidiStreamRequest<Buffer, Buffer>(
      SNAPSHOT.path,
      SNAPSHOT.requestSerialize,
      SNAPSHOT.responseDeserialize,
    );
    const abort = (): void => call.cancel();
    signal.addEventListener('abort', abort);
    try {
      await sendSnapshotOnce(call, message, source, progress);
      return { ...progress, error: undefined };
    } catch (error) {
      return { ...progress, error: error ?? new Error('the snapshot could not be sent') };
    } finally {
      signal.removeEventListener('abort', abort);
      call.cancel();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.cancel();
    this.#client.close();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
