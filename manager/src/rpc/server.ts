/** The gRPC server of a manager: every method is authorised by its declared roles before its handler runs. */
import * as grpc from '@grpc/grpc-js';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { MAX_GRPC_ANSWER_BYTES, MAX_GRPC_MESSAGE_BYTES, type Method } from '@swarmts/proto';
import type { NodeIdentity } from '../ca/certificates.js';
import type { Authoriser } from './authorise.js';
import { LEADER_KEY, toStatus } from './unary.js';

export type UnaryHandler<Req, Res> = (request: Req, caller: NodeIdentity | undefined) => Promise<Res>;

export interface RpcServerOptions {
  readonly authoriser: Authoriser;
  /** Address of the leader, '' while unknown: errors carry it. */
  readonly leaderAddr: () => string;
}

export const serverOptions: grpc.ServerOptions = {
  'grpc.max_receive_message_length': MAX_GRPC_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_GRPC_ANSWER_BYTES,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

export class RpcServer {
  readonly #server = new grpc.Server(serverOptions);
  readonly #o: RpcServerOptions;

  constructor(options: RpcServerOptions) {
    this.#o = options;
  }

  unary<Req, Res>(m: Method<Req, Res>, handler: UnaryHandler<Req, Res>): void {
    this.#register(m, 'unary', (call: grpc.ServerUnaryCall<Req, Res>, callback: grpc.sendUnaryData<Res>) => {
      const run = async () => handler(call.request, this.#check(call, m));
      run().then(
        (res) => callback(null, res),
        (e: unknown) => callback(this.#status(e)),
      );
    });
  }

  clientStream<Req, Res>(
    m: Method<Req, Res>,
    handler: (call: grpc.ServerReadableStream<Req, Res>, caller: NodeIdentity, end: grpc.sendUnaryData<Res>) => void,
  ): void {
    this.#register(
      m,
      'clientStream',
      (call: grpc.ServerReadableStream<Req, Res>, callback: grpc.sendUnaryData<Res>) => {
        try {
          handler(call, required(this.#check(call, m)), callback);
        } catch (e) {
          callback(this.#status(e));
        }
      },
    );
  }

  serverStream<Req, Res>(
    m: Method<Req, Res>,
    handler: (call: grpc.ServerWritableStream<Req, Res>, signal: AbortSignal) => Promise<void>,
  ): void {
    this.#register(m, 'serverStream', (call: grpc.ServerWritableStream<Req, Res>) => {
      const abort = new AbortController();
      call.on('cancelled', () => abort.abort());
      const run = async () => {
        this.#check(call, m);
        await handler(call, abort.signal);
      };
      run().then(
        () => call.end(),
        (e: unknown) => call.emit('error', this.#status(e)),
      );
    });
  }

  bidi<Req, Res>(
    m: Method<Req, Res>,
    handler: (call: grpc.ServerDuplexStream<Req, Res>, caller: NodeIdentity) => void,
  ): void {
    this.#register(m, 'bidi', (call: grpc.ServerDuplexStream<Req, Res>) => {
      try {
        handler(call, required(this.#check(call, m)));
      } catch (e) {
        call.emit('error', this.#status(e));
      }
    });
  }

  /** Listens; throws SwarmtsError naming the address. */
  listen(addr: string, credentials: grpc.ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(addr, credentials, (error, port) => {
        if (error)
          reject(
            new SwarmtsError('failed-precondition', `could not listen on ${addr}: ${messageOf(error)}`, {
              cause: error,
            }),
          );
        else resolve(port);
      });
    });
  }

  /** Ends all streams at once. */
  close(): void {
    this.#server.forceShutdown();
  }

  #check(call: unknown, m: Method<never, never> | Method<never, unknown> | unknown): NodeIdentity | undefined {
    return this.#o.authoriser.check(call as never, m as never);
  }

  #status(e: unknown): Partial<grpc.StatusObject> {
    return toStatus(e, { [LEADER_KEY]: this.#o.leaderAddr() });
  }

  #register<Req, Res>(
    m: Method<Req, Res>,
    type: 'unary' | 'clientStream' | 'serverStream' | 'bidi',
    handler: unknown,
  ): void {
    const ok = this.#server.register(m.path, handler as never, m.responseSerialize, m.requestDeserialize, type);
    if (!ok) throw new Error(`${m.path} is registered twice`);
  }
}

function required(caller: NodeIdentity | undefined): NodeIdentity {
  if (!caller) throw new SwarmtsError('unauthenticated', 'a certificate of this cluster is needed');
  return caller;
}
