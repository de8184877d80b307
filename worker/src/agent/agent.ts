/**
 * The node's connection to the cluster: keeps one session with the leader's dispatcher, whichever manager that is, beats,
 * reports statuses and takes assignments. While there is no manager the tasks go on.
 */
import type { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { Backoff, type Clock, drained, type Logger, messageOf, type Random, type TimerHandle } from '@swarmts/lib';
import {
  AgentHello,
  AgentMessage,
  type Assignments,
  type DispatcherMessage,
  DispatcherService,
  type Node,
  type NodeDescription,
  type SessionInfo,
  type TaskStatus,
  type WeightedManager,
} from '@swarmts/proto';
import type { CsiPlugins } from '../csi/csi-plugins.js';
import type { ContainerEngine } from '../engine/engine-api.js';
import { LogServer } from './log-server.js';
import { nextManager } from './next-manager.js';
import { type NetworkReceiver, TaskManager } from './task-manager.js';
import { TunnelServer } from './tunnel-server.js';
import { UsageReporter } from './usage-reporter.js';

/** Wait between attempts to reach a manager. */
const RECONNECT_INITIAL_MS = 50;
const RECONNECT_MAX_MS = 2_000;
/** A session must be established in this time. */
const SESSION_TIMEOUT_MS = 3_000;
const DESCRIPTION_PERIOD_MS = 20_000;
/** Statuses are gathered so long before they are sent. */
const STATUS_DELAY_MS = 2;
const DEFAULT_HEARTBEAT_MS = 1_000;
/** How long a daemon that stops waits for a session to say goodbye over. */
const GOODBYE_WAIT_MS = 1_500;

export interface AgentOptions {
  readonly dir: string;
  readonly engine: ContainerEngine;
  readonly networks: NetworkReceiver;
  readonly csiPlugins: CsiPlugins;
  /** Where cluster volumes are mounted. */
  readonly volumesDir: string;
  readonly nodeHostname: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Address under which other nodes reach this one. */
  readonly addr: string;
  readonly describe: () => NodeDescription;
  /** Managers to try, known best first. */
  readonly managers: () => readonly WeightedManager[];
  /** A client for one address, with the node's present certificate. */
  readonly connect: (addr: string) => grpc.Client;
  /** A connection to this node's own API. */
  readonly connectApi: () => Duplex;
  /** Metadata key in which a follower names the leader. */
  readonly leaderKey: string;
  readonly onSession: (info: SessionInfo) => void;
  readonly onNode: (node: Node) => void;
  /** The managers say that this node does not belong to the cluster any more. */
  readonly onRejected: (message: string) => void;
}

export class Agent {
  readonly tasks: TaskManager;
  readonly #o: AgentOptions;
  readonly #logs: LogServer;
  readonly #usage: UsageReporter;
  readonly #tunnels: TunnelServer;
  readonly #pending = new Map<string, TaskStatus>();
  #statusTimer: TimerHandle | undefined;
  #stream: grpc.ClientDuplexStream<AgentMessage, DispatcherMessage> | undefined;
  /** Where the session goes to; '' while there is none. */
  #manager = '';
  #stopped = false;
  #wake: (() => void) | undefined;
  #onEstablished: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: AgentOptions) {
    this.#o = options;
    this.tasks = new TaskManager({
      ...options,
      report: (id, status) => {
        this.#queueStatus(id, status);
        this.#logs.taskChanged();
      },
      volumesUnpublished: (volumeIds) => this.#send(AgentMessage.create({ volumesUnpublished: { volumeIds } })),
    });
    this.#logs = new LogServer({
      engine: options.engine,
      log: options.log,
      containerOf: (id) => this.tasks.containerOf(id),
      isOver: (id) => this.tasks.isOver(id),
      send: (logs) => this.#send(AgentMessage.create({ logs })),
      drained: async () => this.#stream && drained(this.#stream),
    });
    this.#tunnels = new TunnelServer({
      log: options.log,
      connect: options.connectApi,
      send: (tunnel) => this.#send(AgentMessage.create({ tunnel })),
    });
    this.#usage = new UsageReporter({
      clock: options.clock,
      tasks: () => this.tasks.list(),
      stats: (taskId) => {
        const container = this.tasks.containerOf(taskId);
        return container === undefined ? undefined : options.engine.stats(container);
      },
      send: (usage) => this.#send(AgentMessage.create({ usage })),
    });
  }

  /** Takes up the known tasks at once, then looks for a manager for ever. */
  async start(): Promise<void> {
    await this.tasks.restore();
    this.#usage.start();
    this.#loop = this.#connectForEver();
  }

  get connected(): boolean {
    return this.#manager !== '';
  }

  /** host:port of the manager that the session is with; '' while there is none. */
  get manager(): string {
    return this.#manager;
  }

  /** Says goodbye with a lease, so that the node is not counted down while it is upgraded (0: it leaves), and lets go of the tasks. */
  async stop(leaseMs: number): Promise<void> {
    if (leaseMs > 0 && this.#loop) await this.#untilEstablished(GOODBYE_WAIT_MS);
    this.#stopped = true;
    this.#usage.stop();
    if (this.connected) {
      this.#flushStatuses();
      this.#send(AgentMessage.create({ goodbye: { leaseMs } }));
    }
    const stream = this.#stream;
    if (stream) await endStream(stream, this.#o.clock);
    this.#wake?.();
    await this.#loop;
    this.#logs.close();
    await this.tasks.close();
  }

  /** A goodbye needs a session: one that is just being made is waited for, a little. */
  #untilEstablished(timeoutMs: number): Promise<void> {
    if (this.connected) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#onEstablished = undefined;
        resolve();
      };
      const timer = this.#o.clock.after(timeoutMs, done);
      this.#onEstablished = done;
    });
  }

  /** What the node says of itself has changed: the managers are told at once, or with the next session. */
  describe(): void {
    this.#send(AgentMessage.create({ description: this.#o.describe() }));
  }

  /** Ends the session so that a new one begins (the certificate or the set of managers changed): what is on its way in the old one counts no more. */
  reconnect(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#manager = '';
    stream?.cancel();
  }

  async #connectForEver(): Promise<void> {
    const backoff = new Backoff({ initialMs: RECONNECT_INITIAL_MS, maxMs: RECONNECT_MAX_MS, random: this.#o.random });
    let hint = '';
    let last = { addr: '', wasEstablished: false };
    while (!this.#stopped) {
      const known = this.#o.managers().map((m) => m.addr);
      const addr = hint !== '' ? hint : nextManager(known, last);
      const hinted = hint !== '';
      hint = '';
      if (addr !== undefined) {
        const result = await this.#session(addr);
        last = { addr, wasEstablished: result.wasEstablished };
        if (result.wasEstablished) backoff.reset();
        if (result.leader !== '' && result.leader !== addr && !hinted) {
          hint = result.leader;
          continue;
        }
      }
      if (!this.#stopped) await this.#sleep(backoff.next());
    }
  }

  /** Runs one session to its end. */
  #session(addr: string): Promise<{ readonly wasEstablished: boolean; readonly leader: string }> {
    const { clock, log } = this.#o;
    return new Promise((resolve) => {
      const client = this.#o.connect(addr);
      const m = DispatcherService.session;
      const stream = client.makeBidiStreamRequest(m.path, m.requestSerialize, m.responseDeserialize);
      this.#stream = stream;
      let heartbeat: TimerHandle | undefined;
      let describe: TimerHandle | undefined;
      let wasEstablished = false;
      let ended = false;
      const timeout = clock.after(SESSION_TIMEOUT_MS, () => stream.cancel());
      const finish = (leader: string) => {
        if (ended) return;
        ended = true;
        timeout.cancel();
        heartbeat?.cancel();
        describe?.cancel();
        if (this.#stream === stream) this.#stream = undefined;
        this.#manager = '';
        this.#logs.stop();
        this.#tunnels.stop();
        client.close();
        resolve({ wasEstablished, leader });
      };
      const beat = (periodMs: number) => {
        heartbeat = clock.after(periodMs, () => {
          this.#send(AgentMessage.create({ heartbeat: {} }));
          beat(periodMs);
        });
      };
      const describeLater = () => {
        describe = clock.after(DESCRIPTION_PERIOD_MS, () => {
          this.#send(AgentMessage.create({ description: this.#o.describe() }));
          describeLater();
        });
      };
      stream.on('data', (message: DispatcherMessage) => {
        if (this.#stream !== stream) return;
        if (message.session) {
          if (!wasEstablished) {
            wasEstablished = true;
            timeout.cancel();
            this.#manager = addr;
            this.#onEstablished?.();
            log.info('session with the managers is established', { addr });
            for (const s of this.tasks.statuses()) this.#pending.set(s.taskId, s.status);
            beat(message.session.heartbeatPeriodMs || DEFAULT_HEARTBEAT_MS);
            // What was found out since the hello.
            this.describe();
            describeLater();
          }
          this.#o.onSession(message.session);
          if (message.session.node) this.#o.onNode(message.session.node);
        }
        if (message.assignments) {
          if (!this.#apply(message.assignments)) stream.cancel();
          else this.#acknowledge(message.assignments, stream);
          this.#logs.taskChanged();
          this.#flushStatuses();
        }
        if (message.withdrawn) this.tasks.withdraw(message.withdrawn.taskIds);
        if (message.logs) this.#logs.handle(message.logs);
        if (message.tunnel) this.#tunnels.receive(message.tunnel);
      });
      stream.on('error', (e: grpc.ServiceError) => {
        if (!this.#stopped) log.debug('session ended', { addr, error: messageOf(e) });
        if (e.code === grpc.status.NOT_FOUND || e.code === grpc.status.PERMISSION_DENIED) this.#o.onRejected(e.details);
        finish(e.metadata?.get(this.#o.leaderKey)[0]?.toString() ?? '');
      });
      stream.on('end', () => finish(''));
      stream.on('close', () => finish(''));
      stream.write(
        AgentMessage.create({ hello: AgentHello.create({ description: this.#o.describe(), addr: this.#o.addr }) }),
      );
    });
  }

  /** False when a new session has to send all of them. */
  #apply(a: Assignments): boolean {
    try {
      return this.tasks.apply(a);
    } catch (e) {
      this.#o.log.error('assignments cannot be taken over', { error: e });
      return false;
    }
  }

  /** Says when what concerns networks is in force; only to the session that it came over. */
  #acknowledge(a: Assignments, stream: grpc.ClientDuplexStream<AgentMessage, DispatcherMessage>): void {
    if (a.networks.length + a.removedNetworkIds.length === 0) return;
    const applied = AgentMessage.create({ applied: { sequence: a.resultsIn } });
    this.#o.networks
      .inForce()
      .catch((e: unknown) =>
        this.#o.log.warn('a change of networks is not in force everywhere', { error: messageOf(e) }),
      )
      .finally(() => {
        if (this.#stream === stream) this.#send(applied);
      });
  }

  #queueStatus(taskId: string, status: TaskStatus): void {
    this.#pending.set(taskId, status);
    this.#statusTimer ??= this.#o.clock.after(STATUS_DELAY_MS, () => this.#flushStatuses());
  }

  #flushStatuses(): void {
    this.#statusTimer?.cancel();
    this.#statusTimer = undefined;
    if (!this.connected || this.#pending.size === 0) return;
    const updates = [...this.#pending].map(([taskId, status]) => ({ taskId, status }));
    this.#pending.clear();
    this.#send(AgentMessage.create({ statuses: { updates } }));
  }

  #send(message: AgentMessage): void {
    if (this.connected) this.#stream?.write(message);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#o.clock.after(ms, () => this.#wake?.());
      this.#wake = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

const END_TIMEOUT_MS = 1_000;

/** Half-closes and waits a moment for the other side to have read everything. */
function endStream(stream: grpc.ClientDuplexStream<AgentMessage, DispatcherMessage>, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(END_TIMEOUT_MS, () => {
      stream.cancel();
      resolve();
    });
    stream.once('close', () => {
      timer.cancel();
      resolve();
    });
    stream.once('end', () => {
      timer.cancel();
      resolve();
    });
    stream.end();
  });
}
