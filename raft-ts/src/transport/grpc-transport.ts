/**
 * Members joined by gRPC over mutual TLS: whoever has no certificate of the group's authority cannot talk to it. One
 * server takes what comes for this member; each peer gets a connection of its own, opened when needed.
 */
import type { PeerCertificate } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import type { Receiver, SnapshotSink, SnapshotSource, Transport } from '../driver/options.js';
import { isRaftError, RaftError } from '../errors.js';
import type { Message, SnapshotMessage } from '../message.js';
import { packOffset, unpackMessages, unpackSnapshotFrame } from './frames.js';
import { GrpcPeer } from './grpc-peer.js';
import { CHANNEL_OPTIONS, SERVICE } from './grpc-service.js';

/** PEM: the authority that all members' certificates come from, this member's certificate, and its key. */
export interface TlsIdentity {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface GrpcTransportOptions {
  readonly tls: TlsIdentity;
  /** Where a member listens, `host:port`; undefined while that is not known: messages to it are lost. */
  readonly addressOf: (id: number) => string | undefined;
  /**
   * The member that a certificate belongs to; undefined refuses it. Messages in somebody else's name are refused, too.
   * Default: every certificate of the authority may speak for every member.
   */
  readonly memberOf?: (certificate: PeerCertificate) => number | undefined;
  /** The name that a member's certificate must bear, if that is not the host in its address. */
  readonly serverNameOf?: (id: number) => string;
}

export class GrpcTransport implements Transport {
  readonly #options: GrpcTransportOptions;
  readonly #peers = new Map<number, GrpcPeer>();
  #server: grpc.Server | undefined;
  #receiver: Receiver | undefined;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
  }

  /** The member that gets what comes. Before that, whatever comes is lost. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Takes connections at `host:port`; port 0 takes a free one. Returns the port. */
  async listen(address: string): Promise<number> {
    const { ca, cert, key } = this.#options.tls;
    const server = new grpc.Server(CHANNEL_OPTIONS);
    server.addService(SERVICE, {
      messages: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        this.#takeMessages(call, done);
      },
      snapshot: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        void this.#takeSnapshot(call);
      },
    });
    const credentials = grpc.ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: cert }], true);
    this.#server = server;
    return await new Promise((resolve, reject) => {
      server.bindAsync(address, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
  }

  send(messages: readonly Message[]): void {
    const byMember = new Map<number, Message[]>();
    for (const message of messages) {
      const list = byMember.get(message.to);
      if (list === undefined) byMember.set(message.to, [message]);
      else list.push(message);
    }
    for (const [id, list] of byMember) {
      const peer = this.#peer(id);
      if (peer === undefined) this.#receiver?.reportUnreachable(id);
      else peer.send(list);
    }
  }

  async sendSnapshot(message: SnapshotMessage, source: SnapshotSource, signal: AbortSignal): Promise<void> {
    const peer = this.#peer(message.to);
    if (peer === undefined) throw new RaftError('dropped', `no address of member ${message.to} is known`);
    await peer.sendSnapshot(message, source, signal);
  }

  /** Lets go of the connection to a member that is gone, or whose certificate or address has changed. */
  forget(id: number): void {
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
  }

  async close(): Promise<void> {
    for (const id of [...this.#peers.keys()]) this.forget(id);
    this.#receiver = undefined;
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  #peer(id: number): GrpcPeer | undefined {
    const address = this.#options.addressOf(id);
    if (address === undefined) return undefined;
    const known = this.#peers.get(id);
    if (known?.address === address) return known;
    this.forget(id);
    const { tls, serverNameOf } = this.#options;
    const channelOptions = serverNameOf === undefined ? {} : { 'grpc.ssl_target_name_override': serverNameOf(id) };
    const credentials = grpc.credentials.createSsl(tls.ca, tls.key, tls.cert);
    const onUnreachable = (): void => this.#receiver?.reportUnreachable(id);
    const peer = new GrpcPeer({ address, credentials, channelOptions, onUnreachable });
    this.#peers.set(id, peer);
    return peer;
  }

  #takeMessages(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>): void {
    const mayBe = this.#speakerOf(call);
    call.on('data', (frame: Buffer) => {
      try {
        for (const message of unpackMessages(frame)) {
          mayBe(message.from);
          this.#receiver?.step(message);
        }
      } catch (error) {
        done(statusOf(error));
        call.destroy();
      }
    });
    call.on('end', () => done(null, Buffer.alloc(0)));
    call.on('error', () => undefined);
  }

  /** Throws, once it is asked, for a member that the caller's certificate does not belong to. */
  #speakerOf(call: Pick<grpc.ServerDuplexStream<Buffer, Buffer>, 'getAuthContext'>): (id: number) => void {
    const { memberOf } = this.#options;
    if (memberOf === undefined) return () => undefined;
    const certificate = call.getAuthContext().sslPeerCertificate;
    const speaker = certificate === undefined ? undefined : memberOf(certificate);
    return (id) => {
      if (id !== speaker) throw new RaftError('invalid', `the certificate does not belong to member ${id}`);
    };
  }

  async #takeSnapshot(call: grpc.ServerDuplexStream<Buffer, Buffer>): Promise<void> {
    call.on('error', () => undefined);
    const mayBe = this.#speakerOf(call);
    let sink: SnapshotSink | undefined;
    let at = 0;
    let sizeBytes = 0;
    try {
      // The stream is still needed for the answer when everything has come in.
      for await (const bytes of call.iterator({ destroyOnReturn: false })) {
        const frame = unpackSnapshotFrame(bytes);
        if (frame.kind === 'begin') {
          mayBe(frame.message.from);
          if (this.#receiver === undefined) throw new RaftError('stopped', 'nobody is here yet');
          sink = await this.#receiver.receiveSnapshot(frame.message, frame.key, frame.sizeBytes);
          at = sink.offsetBytes;
          sizeBytes = frame.sizeBytes;
          call.write(packOffset(at));
        } else if (sink === undefined || frame.offsetBytes !== at) {
          throw new RaftError('malformed', `a piece of a snapshot at ${frame.offsetBytes} instead of ${at}`);
        } else {
          await sink.write(frame.bytes);
          at += frame.bytes.length;
        }
      }
      if (sink === undefined) throw new RaftError('malformed', 'a snapshot without a beginning');
      // A broken connection ends the stream like a sender that is done: what is here waits for the next one.
      if (at < sizeBytes) throw new RaftError('dropped', `the snapshot broke off after ${at} of ${sizeBytes} bytes`);
      await sink.finish();
      call.end();
    } catch (error) {
      call.emit('error', statusOf(error));
    }
  }
}

function statusOf(error: unknown): grpc.ServiceError {
  const details = error instanceof Error ? error.message : String(error);
  const code = isRaftError(error, 'invalid')
    ? grpc.status.PERMISSION_DENIED
    : isRaftError(error, 'malformed')
      ? grpc.status.INVALID_ARGUMENT
      : grpc.status.UNAVAILABLE;
  return Object.assign(new Error(details), { code, details, metadata: new grpc.Metadata() });
}
