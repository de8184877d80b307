/**
 * A follower's connection to the leader. What goes to a leader that comes to lead no more may never be answered: it is cut off as soon as
 * this manager hears of another one, where that does no harm.
 */
import * as grpc from '@grpc/grpc-js';
import { errorCodes, SwarmtsError, streamUnderSignals, underSignals, type WatchQueue } from '@swarmts/lib';
import { ControlCall, ControlService, type LogChunk, type LogQuery, type RaftMember } from '@swarmts/proto';
import { type Credentials, managerChannelOptions } from './ca/credentials.js';
import { fromWire, toWire } from './control/operation-wire.js';
import type { LogSubject } from './logs/log-broker.js';
import { remoteLogs } from './logs/remote-logs.js';
import { NO_LEADER } from './raft/raft-group.js';
import { callUnary } from './rpc/unary.js';

export const FORWARD_TIMEOUT_MS = 15_000;

export interface LeaderConnectionOptions {
  readonly credentials: Credentials;
  /** The Raft ids of those that come to lead; 0 when nobody does. */
  readonly leaders: WatchQueue<number>;
  /** This manager stops. */
  readonly signal: AbortSignal;
}

export interface ForwardedCall {
  readonly operation: string;
  readonly args: unknown;
  /** It may be asked for again elsewhere, whatever becomes of it here. */
  readonly mayRepeat: boolean;
}

export class LeaderConnection {
  readonly #o: LeaderConnectionOptions;
  readonly #unsubscribe: () => void;
  #client: { readonly addr: string; readonly client: grpc.Client } | undefined;

  constructor(options: LeaderConnectionOptions) {
    this.#o = options;
    // The leader does not know the old certificate any more when it has expired, or its root is gone.
    this.#unsubscribe = options.credentials.onChange(() => this.#closeClient());
  }

  close(): void {
    this.#unsubscribe();
    this.#closeClient();
  }

  /** Throws SwarmtsError: what the leader threw, or 'aborted' where another one leads and the call may be repeated. */
  async call(leader: RaftMember, { operation, args, mayRepeat }: ForwardedCall): Promise<unknown> {
    const request = ControlCall.create({ operation, request: toWire(operation, 'args', args) });
    const send = (signal: AbortSignal) =>
      callUnary(this.to(leader), ControlService.call, request, { timeoutMs: FORWARD_TIMEOUT_MS, signal });
    const result = mayRepeat ? await this.#whileItLeads(leader, send) : await send(this.#o.signal);
    if (result.errorCode !== '') {
      throw new SwarmtsError(errorCodes.find((c) => c === result.errorCode) ?? 'internal', result.errorMessage);
    }
    return fromWire(operation, 'result', result.response);
  }

  /** Throws SwarmtsError 'no-leader' when another one comes to lead. */
  async *logs(leader: RaftMember, subject: LogSubject, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const deposed = new AbortController();
    const watch = this.#watch(leader, deposed);
    try {
      yield* streamUnderSignals([signal, deposed.signal], (s) => remoteLogs(this.to(leader), subject, query, s));
      if (deposed.signal.aborted) throw new SwarmtsError('no-leader', NO_LEADER);
    } finally {
      watch.close();
    }
  }

  to({ addr }: RaftMember): grpc.Client {
    if (this.#client?.addr !== addr) {
      this.#closeClient();
      const client = new grpc.Client(addr, this.#o.credentials.client(), managerChannelOptions);
      this.#client = { addr, client };
    }
    return this.#client.client;
  }

  async #whileItLeads<T>(leader: RaftMember, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deposed = new AbortController();
    const watch = this.#watch(leader, deposed);
    try {
      return await underSignals([this.#o.signal, deposed.signal], ask);
    } finally {
      watch.close();
    }
  }

  #watch({ raftId }: RaftMember, deposed: AbortController) {
    return this.#o.leaders.subscribe((id) => id !== raftId && deposed.abort());
  }

  /** What is under way over it goes on. */
  #closeClient(): void {
    this.#client?.client.close();
    this.#client = undefined;
  }
}
