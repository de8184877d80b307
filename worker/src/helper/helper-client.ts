/**
 * The daemon's side of the helper: typed calls, matched to their answers by id. When the helper dies, what was under way is
 * rejected with a retryable error and the next helper is started at once, up to a limit; after that every call fails.
 */
import type { Duplex } from 'node:stream';
import { type Clock, type Logger, SwarmtsError, silentLogger, systemClock, type TimerHandle } from '@swarmts/lib';
import type {
  Encryption,
  EnsuredRouter,
  FoundTunnel,
  LegSpec,
  MacvlanSpec,
  RouterSpec,
  RulesSpec,
  SoundLeg,
  TunnelsSpec,
} from '@swarmts/netplugins';
import type { PacketKind, TerminalSize } from 'vxlan-tools';
import { encodeFrame, FrameDecoder } from './frame.js';
import type {
  ConnectionFilter,
  LocalEndpointSpec,
  MonitorStarted,
  MountSpec,
  PrivilegedHelper,
  ProcessSpec,
  RunResult,
  TerminalSpec,
  UserNetnsSpec,
} from './helper-api.js';
import {
  type Method,
  type Methods,
  parseErrorCode,
  type Results,
  type WireCancel,
  type WireHello,
  type WireProcess,
  type WireResponse,
} from './protocol.js';

/** Deaths within the window that are answered with a restart at once; further ones with a pause before it, without end. */
export const QUICK_RESTARTS = 5;
export const RESTART_WINDOW_MS = 60_000;
export const RESTART_PAUSE_MS = 1_000;
/** Time that a helper gets to end by itself. */
export const CLOSE_GRACE_MS = 5000;
/** Requests under way; beyond it a caller gets 'resource-exhausted' instead of growing the queue. */
export const MAX_IN_FLIGHT = 4096;

/** A helper process that has been started: its socket, and a promise for its end. */
export interface HelperProcess {
  readonly socket: Duplex;
  readonly exited: Promise<string>;
  kill(): void;
}

export interface HelperClientOptions {
  readonly spawn: () => HelperProcess;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

interface Pending {
  readonly method: Method;
  resolve(result: unknown, tail: Buffer): void;
  reject(error: Error): void;
}

interface Connection {
  readonly process: HelperProcess;
  pid: number;
}

export class HelperClient implements PrivilegedHelper {
  readonly #options: Required<HelperClientOptions>;
  readonly #pending = new Map<number, Pending>();
  #connection: Connection | undefined;
  #restarts: number[] = [];
  #nextId = 1;
  #closing = false;
  /** Whether a helper has ever answered: one that never does is not tried again. */
  #answered = false;
  #restart: TimerHandle | undefined;
  #ready: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(options: HelperClientOptions) {
    this.#options = { clock: systemClock, logger: silentLogger, ...options };
  }

  /** Starts the helper; resolves when it has answered for the first time. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = reject;
      this.#connect();
    });
  }

  get pid(): number {
    return this.#connection?.pid ?? 0;
  }

  async run(spec: ProcessSpec, signal?: AbortSignal): Promise<RunResult> {
    const { result, tail } = await this.#call('run', { process: wireProcess(spec) }, spec.stdin, signal);
    return {
      code: result.code,
      signal: result.signal,
      stdout: tail.subarray(0, result.stdoutBytes),
      stderr: tail.subarray(result.stdoutBytes),
    };
  }

  async startMonitor(spec: ProcessSpec): Promise<MonitorStarted> {
    return (await this.#call('startMonitor', { process: wireProcess(spec) }, spec.stdin)).result;
  }

  async runInTerminal(spec: TerminalSpec, signal?: AbortSignal): Promise<RunResult> {
    const { process: child, ...rest } = spec;
    const { result } = await this.#call('runInTerminal', { process: wireProcess(child), ...rest }, undefined, signal);
    return { code: result.code, signal: result.signal, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  }

  async resizeTerminal(name: string, pid: number, size: TerminalSize): Promise<void> {
    await this.#call('resizeTerminal', { name, pid, size });
  }

  async makePipes(paths: readonly string[]): Promise<void> {
    await this.#call('makePipes', { paths });
  }

  async openInput(socket: string, kind: PacketKind = 'connected'): Promise<number> {
    return (await this.#call('openInput', { socket, kind })).result;
  }

  async writeInput(input: number, bytes: Uint8Array): Promise<void> {
    await this.#call('writeInput', { input }, bytes);
  }

  async closeInput(input: number): Promise<void> {
    await this.#call('closeInput', { input });
  }

  async mount(spec: MountSpec): Promise<void> {
    await this.#call('mount', { mount: spec });
  }

  async unmount(target: string): Promise<void> {
    await this.#call('unmount', { target });
  }

  async attachLocal(spec: LocalEndpointSpec): Promise<void> {
    await this.#call('attachLocal', { endpoint: spec });
  }

  async repairLocal(spec: LocalEndpointSpec): Promise<boolean> {
    return (await this.#call('repairLocal', { endpoint: spec })).result;
  }

  async soundLegs(): Promise<readonly SoundLeg[]> {
    return (await this.#call('soundLegs', {})).result;
  }

  async detachLocal(netns: string): Promise<void> {
    await this.#call('detachLocal', { netns });
  }

  async createNetns(netns: string, sysctls: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#call('createNetns', { netns, sysctls });
  }

  async createUserNetns(spec: UserNetnsSpec): Promise<void> {
    await this.#call('createUserNetns', { namespaces: spec });
  }

  async requireForwarding(): Promise<void> {
    await this.#call('requireForwarding', {});
  }

  async restoreForwarding(): Promise<void> {
    await this.#call('restoreForwarding', {});
  }

  async setSysctls(values: Readonly<Record<string, string>>, netns = ''): Promise<void> {
    await this.#call('setSysctls', { values, netns });
  }

  async nft(document: string, netns = ''): Promise<void> {
    await this.#call('nft', { document, netns });
  }

  async nftList(command: string, netns = ''): Promise<string> {
    return (await this.#call('nftList', { command, netns })).result;
  }

  async flushConnections(filter: ConnectionFilter): Promise<void> {
    await this.#call('flushConnections', { filter });
  }

  async startDetached(spec: ProcessSpec): Promise<number> {
    return (await this.#call('startDetached', { process: wireProcess(spec) }, spec.stdin)).result;
  }

  async ensureRouter(router: RouterSpec): Promise<EnsuredRouter> {
    return (await this.#call('ensureRouter', { router })).result;
  }

  async removeRouter(netns: string): Promise<void> {
    await this.#call('removeRouter', { netns });
  }

  async attachLeg(leg: LegSpec): Promise<void> {
    await this.#call('attachLeg', { leg });
  }

  async detachLeg(netns: string, leg: string): Promise<void> {
    await this.#call('detachLeg', { netns, leg });
  }

  async attachMacvlan(macvlan: MacvlanSpec): Promise<void> {
    await this.#call('attachMacvlan', { macvlan });
  }

  async detachDevice(netns: string, iface: string): Promise<void> {
    await this.#call('detachDevice', { netns, iface });
  }

  async writeRules(rules: RulesSpec): Promise<string> {
    return (await this.#call('writeRules', { rules })).result;
  }

  async changeRules(rules: RulesSpec, token: string): Promise<string> {
    return (await this.#call('changeRules', { rules, token })).result;
  }

  async removeRules(netns: string, tables: readonly string[]): Promise<void> {
    await this.#call('removeRules', { netns, tables });
  }

  async underlayMtu(address: string): Promise<number> {
    return (await this.#call('underlayMtu', { address })).result;
  }

  async flushBackends(netns: string, addresses: readonly string[]): Promise<void> {
    await this.#call('flushBackends', { netns, addresses });
  }

  async encryption(): Promise<Encryption> {
    return (await this.#call('encryption', {})).result;
  }

  async observeTunnels(netns: string): Promise<readonly FoundTunnel[]> {
    return (await this.#call('observeTunnels', { netns })).result;
  }

  async ensureTunnels(tunnels: TunnelsSpec): Promise<readonly FoundTunnel[]> {
    return (await this.#call('ensureTunnels', { tunnels })).result;
  }

  async removeTunnels(netns: string): Promise<void> {
    await this.#call('removeTunnels', { netns });
  }

  async kill(pid: number, signal: number): Promise<boolean> {
    return (await this.#call('kill', { pid, signal })).result;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#restart?.cancel();
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.process.socket.end();
    // A helper that is stuck in the kernel does not read the end of its socket.
    const timer = this.#options.clock.after(CLOSE_GRACE_MS, () => connection.process.kill());
    await connection.process.exited;
    timer.cancel();
  }

  #call<M extends Method>(
    method: M,
    params: Methods[M],
    bytes?: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{ result: Results[M]; tail: Buffer }> {
    return new Promise((resolve, reject) => {
      const connection = this.#connection;
      if (signal?.aborted === true) return reject(abortedError());
      if (this.#closing || connection === undefined) return reject(this.#goneError());
      if (this.#pending.size >= MAX_IN_FLIGHT) {
        return reject(new SwarmtsError('resource-exhausted', `${MAX_IN_FLIGHT} helper requests are under way`));
      }
      const id = this.#nextId++;
      const frames = encodeFrame({ id, method, ...params }, bytes);
      const onAbort = () => this.#cancel(connection, id);
      const settled = () => {
        this.#pending.delete(id);
        signal?.removeEventListener('abort', onAbort);
      };
      this.#pending.set(id, {
        method,
        resolve: (result, tail) => {
          settled();
          if (signal?.aborted === true) reject(abortedError());
          // The helper answers a method with that method's result; see protocol.ts.
          else resolve({ result: result as Results[M], tail });
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      for (const frame of frames) connection.process.socket.write(frame);
    });
  }

  #cancel(connection: Connection, id: number): void {
    if (connection !== this.#connection) return;
    const cancel: WireCancel = { cancel: id };
    for (const frame of encodeFrame(cancel)) connection.process.socket.write(frame);
  }

  #connect(): void {
    const helper = this.#options.spawn();
    const connection: Connection = { process: helper, pid: 0 };
    const decoder = new FrameDecoder();
    this.#connection = connection;
    helper.socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of decoder.push(chunk)) this.#receive(connection, frame.header, frame.tail);
      } catch (e) {
        this.#options.logger.error('broken frame from the helper', { error: e });
        helper.kill();
      }
    });
    // The end of the process, which follows, is what counts.
    helper.socket.on('error', () => undefined);
    void helper.exited.then((how) => this.#onExit(connection, how));
  }

  #receive(connection: Connection, header: unknown, tail: Buffer): void {
    // The other end is the helper of the same build; see protocol.ts.
    const message = header as WireResponse | WireHello;
    if ('hello' in message) {
      connection.pid = message.hello;
      this.#answered = true;
      this.#ready?.();
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if ('error' in message) {
      pending.reject(new SwarmtsError(parseErrorCode(message.error.code), message.error.message));
    } else {
      pending.resolve(message.result, tail);
    }
  }

  #onExit(connection: Connection, how: string): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    connection.process.socket.destroy();
    for (const pending of [...this.#pending.values()]) {
      pending.reject(new SwarmtsError('unavailable', `the helper ended (${how}) during ${pending.method}`));
    }
    this.#failed?.(new SwarmtsError('internal', `the helper did not start: it ended (${how})`));
    if (this.#closing || !this.#answered) return;
    const now = this.#options.clock.monotonic();
    this.#restarts = [...this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS), now];
    const often = this.#restarts.length > QUICK_RESTARTS;
    this.#options.logger.warn('the helper ended and is started again', { how, restarts: this.#restarts.length });
    if (!often) {
      this.#connect();
      return;
    }
    this.#restart = this.#options.clock.after(RESTART_PAUSE_MS, () => this.#connect());
  }

  #goneError(): SwarmtsError {
    return this.#closing
      ? new SwarmtsError('aborted', 'the helper is being stopped')
      : new SwarmtsError('unavailable', 'the helper ended too often; it is started again in a moment');
  }
}

function wireProcess(spec: ProcessSpec): WireProcess {
  const { stdin, ...rest } = spec;
  return { ...rest, hasStdin: stdin !== undefined };
}

function abortedError(): SwarmtsError {
  return new SwarmtsError('aborted', 'the process was killed because its caller gave up');
}
