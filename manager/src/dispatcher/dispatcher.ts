/**
 * The leader's side of all agents: registers nodes, keeps one session per node, sends assignments in batches, takes
 * statuses and heartbeats.
 */
import type { Duplex } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { ControlLoop, formatIpPrefix, messageOf, SwarmtsError, type Watch } from '@swarmts/lib';
import {
  type AgentHello,
  type AgentMessage,
  type LogChunk,
  type LogRequest,
  type Node,
  type NodeDescription,
  NodeState,
  NodeStatus,
  observedState,
  type Resource,
  type SessionInfo,
  SessionInfo as SessionInfoCodec,
  type Task,
  TaskState,
  type TaskUsage,
  type Volume,
  VolumePublishState,
  type WeightedManager,
} from '@swarmts/proto';
import { networkHiding, subnetsOf } from '../allocator/network-allocation.js';
import type { NodeIdentity } from '../ca/certificates.js';
import { CLIENT_CERTIFICATE, revokedSerials } from '../ca/client-certificates.js';
import { bundleOf } from '../ca/root-bundle.js';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { toStatus } from '../rpc/unary.js';
import type { AnyChange } from '../store/tables.js';
import type { WriteTx } from '../store/transaction.js';
import { changePublishStatus } from '../volumes/publish-status.js';
import { NetworkIndex } from './network-index.js';
import { NodeMonitor } from './node-monitor.js';
import { type AgentStream, Session } from './session.js';
import { StatusWriter } from './status-writer.js';
import { Withdrawals, type WithdrawnTask } from './withdrawals.js';

const DEBOUNCE_MS = 2;
const MAX_DELAY_MS = 50;
/** Two machines with one certificate would take the session from each other without end: so often in such a time, and no more. */
const MAX_TAKEOVERS = 3;
const TAKEOVER_WINDOW_MS = 8_000;

export interface DispatcherOptions extends LeaderContext {
  readonly managerId: string;
  readonly managers: () => readonly WeightedManager[];
  readonly onLogs: (nodeId: string, chunk: LogChunk) => void;
  readonly onNodeReady: (nodeId: string) => void;
  readonly onNodeGone: (nodeId: string) => void;
  readonly onUsage: (usages: readonly TaskUsage[]) => void;
}

export class Dispatcher implements LeaderComponent {
  readonly #o: DispatcherOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #monitor: NodeMonitor;
  readonly #statuses: StatusWriter;
  readonly #loop: ControlLoop;
  readonly #networks = new NetworkIndex();
  readonly #withdrawals = new Withdrawals<Session>();
  /** When sessions took over from others that had not ended, by node. */
  readonly #takeovers = new Map<string, readonly number[]>();
  /** Tasks that were told to stop since the last flush, by id. */
  readonly #leaving = new Map<string, WithdrawnTask>();
  /** Serial numbers, once somebody has asked for them. */
  #revokedClients: readonly string[] | undefined;
  #watch: Watch | undefined;
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#o = options;
    this.#monitor = new NodeMonitor(options, (nodeId) => this.#onDown(nodeId));
    this.#statuses = new StatusWriter(options, options.managerId);
    this.#loop = new ControlLoop({
      ...options,
      name: 'dispatcher',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#flush(),
    });
  }

  /** Agents that are connected. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  start(): void {
    this.#watch = this.#o.store.watch({ change: (c) => this.#onChange(c) });
    this.#o.store.view((tx) => this.#networks.rebuild(tx));
    this.#monitor.start().catch((e: unknown) => this.#o.onStuck(e));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#monitor.stop();
    const why = toStatus(new SwarmtsError('not-leader', 'this manager is not the leader any more'));
    for (const s of this.#sessions.values()) s.close(why);
    this.#sessions.clear();
    await Promise.all([this.#loop.stop(), this.#statuses.stop()]);
  }

  /** Serves one agent's stream until it ends. */
  serve(stream: AgentStream, caller: NodeIdentity): void {
    const session = new Session(caller.nodeId, stream, this.#networks);
    stream.on('data', (m: AgentMessage) => {
      this.#onMessage(session, m).catch((e: unknown) => {
        this.#o.log.warn('agent message was refused', { node: caller.nodeId, error: e });
        session.close(toStatus(e));
        this.#drop(session);
      });
    });
    // Also one whose hello is still being written: it does not become the session of the node any more.
    const ended = () => {
      session.close();
      this.#drop(session);
    };
    stream.on('end', ended);
    stream.on('cancelled', ended);
    stream.on('error', ended);
  }

  /** Sends a log request to a node; false when it has no session here. */
  requestLogs(nodeId: string, request: LogRequest): boolean {
    const session = this.#sessions.get(nodeId);
    session?.sendLogRequest(request);
    return session !== undefined;
  }

  #drop(session: Session): void {
    this.#tellWithdrawn(this.#withdrawals.dropped(session));
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#sessions.delete(session.nodeId);
    this.#o.onNodeGone(session.nodeId);
  }

  async #onMessage(session: Session, m: AgentMessage): Promise<void> {
    if (this.#stopped) return;
    const { nodeId } = session;
    if (m.hello) {
      await this.#register(session, m.hello);
      return;
    }
    if (this.#sessions.get(nodeId) !== session)
      throw new SwarmtsError('failed-precondition', 'no hello, or another session took over');
    this.#monitor.beat(nodeId);
    if (m.statuses) this.#statuses.add(nodeId, m.statuses.updates);
    if (m.description) await this.#describe(nodeId, m.description);
    if (m.applied) this.#tellWithdrawn(this.#withdrawals.applied(session, m.applied.sequence));
    if (m.logs) this.#o.onLogs(nodeId, m.logs);
    if (m.volumesUnpublished) await this.#onUnpublished(nodeId, m.volumesUnpublished.volumeIds);
    if (m.tunnel) session.tunnels.receive(m.tunnel);
    // A node speaks for its own tasks alone.
    if (m.usage) this.#o.onUsage(m.usage.tasks.filter((u) => this.#o.store.get('task', u.taskId)?.nodeId === nodeId));
    if (m.goodbye) {
      if (m.goodbye.leaseMs <= 0) {
        await this.#monitor.down(nodeId, 'node left the swarm');
        return;
      }
      this.#monitor.lease(nodeId, m.goodbye.leaseMs);
      const { leaseMs } = m.goodbye;
      await this.#o.store.update((tx) => {
        const node = tx.get('node', nodeId);
        const leaseUntilMs = this.#o.clock.now() + leaseMs;
        if (node) tx.update('node', { ...node, status: NodeStatus.create({ ...node.status, leaseUntilMs, leaseMs }) });
      });
    }
  }

  async #register(session: Session, hello: AgentHello): Promise<void> {
    const { nodeId } = session;
    if (this.#sessions.has(nodeId)) this.#countTakeover(nodeId);
    const write = (tx: WriteTx) => {
      const node = tx.get('node', nodeId);
      if (!node)
        throw new SwarmtsError(
          'not-found',
          `node ${nodeId} is not part of this swarm: it was removed, or its record is lost; leave and join again`,
        );
      const status = NodeStatus.create({ state: NodeState.NODE_READY, addr: hello.addr });
      const description = hello.description ? withKnownKeys(hello.description, node) : node.description;
      tx.update('node', { ...node, description, status });
    };
    await this.#monitor.register(nodeId, () => this.#o.store.update(write));
    if (session.closed || this.#stopped) return;
    this.#sessions.get(nodeId)?.close(toStatus(new SwarmtsError('aborted', 'a newer session of this node took over')));
    this.#sessions.set(nodeId, session);
    this.#monitor.beat(nodeId);
    session.sendInfo(this.#info(session));
    this.#o.store.view((tx) => session.sendComplete(tx));
    this.#o.onNodeReady(nodeId);
    this.#warnOfHidden(nodeId, hello.addr);
    this.#o.log.info('node is ready', { node: nodeId, hostname: hello.description?.hostname });
  }

  /** Networks keep clear of the nodes that were there when they were made. */
  #warnOfHidden(nodeId: string, addr: string): void {
    const network = this.#o.store.view((tx) => networkHiding(addr, tx.list('network')));
    if (!network) return;
    const subnets = subnetsOf(network).map(formatIpPrefix);
    this.#o.log.warn(
      'the address of a node lies in a network of the swarm, whose tasks will not reach it: make that network anew with another --subnet, or give the node another address',
      { node: nodeId, address: addr, network: network.spec?.annotations?.name, subnets },
    );
  }

  #countTakeover(nodeId: string): void {
    const nowMs = this.#o.clock.monotonic();
    const recent = (this.#takeovers.get(nodeId) ?? []).filter((atMs) => nowMs - atMs < TAKEOVER_WINDOW_MS);
    if (recent.length >= MAX_TAKEOVERS)
      throw new SwarmtsError(
        'resource-exhausted',
        `node ${nodeId} is connected, and registers again and again: if another machine is a copy of it, that one has to leave the swarm and join anew`,
      );
    this.#takeovers.set(nodeId, [...recent, nowMs]);
  }

  #info(session: Session): SessionInfo {
    const { store, clock } = this.#o;
    this.#revokedClients ??= store.view((tx) => revokedSerials(tx, clock.now()));
    return SessionInfoCodec.create({
      sessionId: session.id,
      node: store.get('node', session.nodeId),
      managers: this.#o.managers(),
      heartbeatPeriodMs: this.#monitor.periodMs,
      rootCaPem: this.#roots(),
      networkKeyGeneration: store.view((tx) => tx.list('cluster')[0]?.networkKeyGeneration ?? 0),
      revokedClientSerials: [...this.#revokedClients],
    });
  }

  /** What the nodes are to trust. */
  #roots(): Uint8Array {
    const root = this.#o.store.view((tx) => tx.list('cluster')[0])?.rootCa;
    return root ? Buffer.from(bundleOf(root)) : new Uint8Array(0);
  }

  /** A connection to the API of a node. Throws SwarmtsError 'unavailable' while the node is not connected. */
  openTunnel(nodeId: string): Duplex {
    const session = this.#sessions.get(nodeId);
    if (!session)
      throw new SwarmtsError('unavailable', `node ${nodeId} is not connected to the managers at the moment`);
    return session.tunnels.open();
  }

  /** Nodes say again and again what they are: what is known is not written, and is no event. */
  async #describe(nodeId: string, description: NodeDescription): Promise<void> {
    const isNews = (node: Node | undefined): node is Node =>
      node !== undefined && !isDeepStrictEqual(withKnownKeys(description, node), node.description);
    if (!isNews(this.#o.store.get('node', nodeId))) return;
    await this.#o.store.update((tx) => {
      const node = tx.get('node', nodeId);
      if (isNews(node)) tx.update('node', { ...node, description: withKnownKeys(description, node) });
    });
  }

  #onDown(nodeId: string): void {
    this.#sessions.get(nodeId)?.close(toStatus(new SwarmtsError('timeout', 'heartbeats were missed')));
    this.#sessions.delete(nodeId);
    this.#o.onNodeGone(nodeId);
  }

  #onChange(c: AnyChange): void {
    if (c.kind === 'task') {
      for (const nodeId of new Set([c.object.nodeId, c.old?.nodeId ?? '']))
        this.#sessions.get(nodeId)?.touch(c.object.id);
      this.#networks.onTask(c.object, c.action === 'remove');
      if (isLeaving(c.object, c.old)) this.#leaving.set(c.object.id, { taskId: c.object.id, nodeId: c.object.nodeId });
      this.#loop.mark();
    } else if (c.kind === 'node') {
      this.#onNodeChange(c.object, c.old, c.action === 'remove');
      if (c.action === 'remove' || dataPathChanged(c.object, c.old)) {
        this.#o.store.view((tx) => this.#networks.onNode(tx, c.object.id));
        this.#loop.mark();
      }
    } else if (c.kind === 'service') {
      this.#o.store.view((tx) => this.#networks.onService(tx, c.object, c.action === 'remove'));
      this.#loop.mark();
    } else if (c.kind === 'network') this.#onNetworkChange();
    else if (c.kind === 'volume') this.#onVolumeChange(c.object, c.old);
    else if (c.kind === 'resource') this.#onResourceChange(c.object, c.action);
    else if (c.kind === 'cluster') {
      this.#informAll();
      if (c.object.spec !== c.old?.spec) this.#monitor.rearmOrphaning();
    }
  }

  #onNodeChange(node: Node, old: Node | undefined, removed: boolean): void {
    if (removed) {
      this.#monitor.forget(node.id);
      this.#takeovers.delete(node.id);
      this.#sessions
        .get(node.id)
        ?.close(toStatus(new SwarmtsError('not-found', `node ${node.id} was removed from the swarm`)));
      this.#sessions.delete(node.id);
      return;
    }
    const managersChanged = node.managerStatus?.addr !== old?.managerStatus?.addr;
    const mine = this.#sessions.get(node.id);
    if (managersChanged) this.#informAll();
    else if (
      mine &&
      (node.spec !== old?.spec || node.certificateRole !== old?.certificateRole || node.certificateRotating)
    )
      mine.sendInfo(this.#info(mine));
  }

  /** A record of a client's certificate changes when it is taken back. */
  #onResourceChange({ kind }: Resource, action: 'create' | 'update' | 'remove'): void {
    if (kind !== CLIENT_CERTIFICATE || action !== 'update') return;
    this.#revokedClients = undefined;
    this.#informAll();
  }

  #informAll(): void {
    for (const s of this.#sessions.values()) s.sendInfo(this.#info(s));
  }

  #onVolumeChange(volume: Volume, old: Volume | undefined): void {
    for (const { nodeId } of [...volume.publishStatus, ...(old?.publishStatus ?? [])])
      this.#sessions.get(nodeId)?.touchVolume(volume.id);
    this.#loop.mark();
  }

  /** What the node has let go of, the controller may take away. */
  async #onUnpublished(nodeId: string, volumeIds: readonly string[]): Promise<void> {
    const { PENDING_NODE_UNPUBLISH, PENDING_UNPUBLISH } = VolumePublishState;
    await this.#o.store.update((tx) => {
      for (const id of volumeIds)
        changePublishStatus(tx, id, nodeId, (s) =>
          s.state === PENDING_NODE_UNPUBLISH ? { ...s, state: PENDING_UNPUBLISH } : s,
        );
    });
  }

  /** A network that came or went may be the ingress network, which concerns every service with a published port. */
  #onNetworkChange(): void {
    this.#o.store.view((tx) => {
      for (const s of tx.list('service')) this.#networks.onService(tx, s, false);
      for (const n of tx.list('node')) this.#networks.onNode(tx, n.id);
    });
    this.#loop.mark();
  }

  #tellWithdrawn(tasks: readonly WithdrawnTask[]): void {
    for (const { taskId, nodeId } of tasks) this.#sessions.get(nodeId)?.sendWithdrawn([taskId]);
  }

  #flush(): void {
    const touched = this.#networks.takeTouched();
    const leaving = [...this.#leaving.values()];
    this.#leaving.clear();
    const told = new Map<Session, number>();
    this.#o.store.view((tx) => {
      for (const s of this.#sessions.values()) {
        try {
          const sequence = s.flush(tx, touched);
          if (sequence > 0) told.set(s, sequence);
        } catch (e) {
          this.#o.log.error('session broke while sending', { node: s.nodeId, error: messageOf(e) });
          s.close(toStatus(e));
        }
      }
    });
    this.#tellWithdrawn(this.#withdrawals.begin(leaving, told));
  }
}

/** A daemon that has just started does not know its keys yet, and its data path goes on with those that it had. */
function withKnownKeys(now: NodeDescription, node: Node): NodeDescription {
  if (!now.dataPathKeysUnknown) return now;
  return { ...now, dataPathKeys: node.description?.dataPathKeys ?? [], dataPathKeysUnknown: false };
}

/** A task that runs and has just been told not to. */
function isLeaving(now: Task, old: Task | undefined): boolean {
  return (
    now.networks.length > 0 &&
    now.desiredState > TaskState.RUNNING &&
    (old?.desiredState ?? TaskState.RUNNING) <= TaskState.RUNNING &&
    observedState(now) === TaskState.RUNNING
  );
}

/** Whether other nodes have to know: where the node's data path is, its keys, and whether its endpoints can be reached. */
function dataPathChanged(now: Node, old: Node | undefined): boolean {
  return (
    now.status?.addr !== old?.status?.addr ||
    now.dataPathIndex !== old?.dataPathIndex ||
    JSON.stringify(now.description?.dataPathKeys ?? []) !== JSON.stringify(old?.description?.dataPathKeys ?? []) ||
    (now.status?.state === NodeState.DOWN) !== (old?.status?.state === NodeState.DOWN)
  );
}
