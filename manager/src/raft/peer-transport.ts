/**
 * Raft's messages between managers: one client stream per peer and one for each snapshot, large messages in chunks. Sending never blocks:
 * when a peer's queue is full its messages are dropped, which Raft expects and repairs.
 */
import * as grpc from '@grpc/grpc-js';
import { type Logger, SwarmtsError } from '@swarmts/lib';
import { RaftChunk, type RaftMember, type RaftStreamEnd, RaftTransportService } from '@swarmts/proto';
import { encodeMessage, type Message, type Transport } from 'raft-ts';
import { type Credentials, managerChannelOptions } from '../ca/credentials.js';
import { toStatus } from '../rpc/unary.js';

/** Bytes per chunk, well below the limit of one gRPC message. */
const CHUNK_BYTES = 1024 * 1024;
/** Bytes that may wait for one peer, snapshots apart: they are the log's own, a few in-flight windows. */
const QUEUE_LIMIT_BYTES = 64 * 1024 * 1024;
/** After a failed stream no new one is opened for so long. */
const RETRY_MS = 100;

/** Where a refusal names the member that was removed, which shall know it. */
const REMOVED_KEY = 'swarmts-removed';

/** Messages of a member that was removed from the group for good are refused. */
export class MemberRemoved extends SwarmtsError {
  readonly raftId: number;

  constructor(raftId: number) {
    super('permission-denied', `raft member ${raftId} was removed from the group`);
    this.raftId = raftId;
  }
}

/** The status that ends a stream of messages. */
export function refusalOf(e: unknown): Partial<grpc.StatusObject> {
  return toStatus(e, e instanceof MemberRemoved ? { [REMOVED_KEY]: String(e.raftId) } : {});
}

export interface PeerTransportOptions {
  readonly credentials: Credentials;
  readonly log: Logger;
  readonly address: (raftId: number) => RaftMember | undefined;
  readonly onUnreachable: (raftId: number) => void;
  readonly onSnapshotSent: (raftId: number, ok: boolean) => void;
  /** This member's own Raft id. */
  readonly self: number;
  /** A peer has answered that this member was removed from the group. */
  readonly onExpelled: () => void;
  readonly monotonic: () => number;
}

interface Peer {
  readonly addr: string;
  readonly client: grpc.Client;
  stream: grpc.ClientWritableStream<RaftChunk> | undefined;
  queuedBytes: number;
  retryAtMs: number;
  /** Snapshots on their way. */
  readonly snapshots: Set<grpc.ClientWritableStream<RaftChunk>>;
}

export class PeerTransport implements Transport {
  readonly #o: PeerTransportOptions;
  readonly #peers = new Map<number, Peer>();
  readonly #unsubscribe: () => void;

  constructor(options: PeerTransportOptions) {
    this.#o = options;
    // A renewed certificate takes effect with new connections.
    this.#unsubscribe = options.credentials.onChange(() => this.#closeAll());
  }

  send(messages: readonly Message[]): void {
    for (const m of messages) this.#sendOne(m);
  }

  close(): void {
    this.#unsubscribe();
    this.#closeAll();
  }

  /** Lets the connection to a member that is gone go. */
  forget(raftId: number): void {
    const peer = this.#peers.get(raftId);
    this.#peers.delete(raftId);
    if (!peer) return;
    peer.stream?.cancel();
    for (const stream of peer.snapshots) stream.cancel();
    peer.client.close();
  }

  #closeAll(): void {
    for (const id of [...this.#peers.keys()]) this.forget(id);
  }

  #sendOne(m: Message): void {
    const peer = this.#peer(m.to);
    const isSnapshot = m.type === 'snap';
    const isFull = !isSnapshot && (peer?.queuedBytes ?? 0) > QUEUE_LIMIT_BYTES;
    if (!peer || isFull || this.#o.monotonic() < peer.retryAtMs) {
      this.#lost(m.to, isSnapshot);
      return;
    }
    const bytes = encodeMessage(m);
    if (isSnapshot) {
      this.#sendSnapshot(m.to, peer, bytes);
      return;
    }
    peer.stream ??= this.#openMessages(m.to, peer);
    peer.queuedBytes += bytes.length;
    writeChunks(peer.stream, bytes, () => {
      peer.queuedBytes -= bytes.length;
    });
  }

  /** On a stream of its own: what is sent meanwhile does not wait behind it. */
  #sendSnapshot(raftId: number, peer: Peer, bytes: Uint8Array): void {
    const stream = this.#openStream(raftId, peer, (error) => {
      peer.snapshots.delete(stream);
      if (error) this.#lost(raftId, true);
      else this.#o.onSnapshotSent(raftId, true);
    });
    peer.snapshots.add(stream);
    writeChunks(stream, bytes, () => undefined);
    stream.end();
  }

  #lost(raftId: number, isSnapshot: boolean): void {
    this.#o.onUnreachable(raftId);
    if (isSnapshot) this.#o.onSnapshotSent(raftId, false);
  }

  #peer(raftId: number): Peer | undefined {
    const member = this.#o.address(raftId);
    const known = this.#peers.get(raftId);
    if (!member) return undefined;
    if (known?.addr === member.addr) return known;
    this.forget(raftId);
    const client = new grpc.Client(member.addr, this.#o.credentials.client(), managerChannelOptions);
    const peer: Peer = {
      addr: member.addr,
      client,
      stream: undefined,
      queuedBytes: 0,
      retryAtMs: 0,
      snapshots: new Set(),
    };
    this.#peers.set(raftId, peer);
    return peer;
  }

  #openMessages(raftId: number, peer: Peer): grpc.ClientWritableStream<RaftChunk> {
    const stream = this.#openStream(raftId, peer, () => {
      if (peer.stream !== stream) return;
      peer.stream = undefined;
      peer.queuedBytes = 0;
      peer.retryAtMs = this.#o.monotonic() + RETRY_MS;
      this.#lost(raftId, false);
    });
    return stream;
  }

  #openStream(
    raftId: number,
    peer: Peer,
    onEnd: (error: grpc.ServiceError | null) => void,
  ): grpc.ClientWritableStream<RaftChunk> {
    const m = RaftTransportService.stream;
    const stream = peer.client.makeClientStreamRequest<RaftChunk, RaftStreamEnd>(
      m.path,
      m.requestSerialize,
      m.responseDeserialize,
      new grpc.Metadata(),
      {},
      (error) => {
        if (error) this.#o.log.debug('raft stream ended', { peer: raftId, addr: peer.addr, error: error.details });
        onEnd(error);
        if (error?.metadata?.get(REMOVED_KEY)[0]?.toString() === String(this.#o.self)) this.#o.onExpelled();
      },
    );
    // Errors come through the callback; without a listener they would also end the process.
    stream.on('error', () => undefined);
    return stream;
  }
}

/** One message; `onWritten` is called when all of it has left. */
function writeChunks(stream: grpc.ClientWritableStream<RaftChunk>, bytes: Uint8Array, onWritten: () => void): void {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const end = Math.min(bytes.length, at + CHUNK_BYTES);
    const more = end < bytes.length;
    stream.write(RaftChunk.create({ data: bytes.subarray(at, end), more }), () => {
      if (!more) onWritten();
    });
  }
}
