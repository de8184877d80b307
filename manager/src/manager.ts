/**
 * A manager: its place in Raft, its gRPC server, and, while it leads, the leader's loops. Control operations come in on any
 * manager; a follower forwards them to the leader.
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import {
  asSwarmtsError,
  type Clock,
  GIVE_UP_AFTER,
  type Logger,
  newId,
  type Random,
  SwarmtsError,
  sleep,
  WatchQueue,
} from '@swarmts/lib';
import {
  AttachContainerResponse,
  CaService,
  type Cluster,
  type ControlCall,
  ControlResult,
  ControlService,
  DetachContainerResponse,
  DispatcherService,
  IssueCertificateRequest,
  IssueCertificateResponse,
  type LogChunk,
  type LogQuery,
  NetworkAttacherService,
  NetworkSpec,
  type Node,
  NodeRole,
  NodeSpec,
  RaftJoinResponse,
  RaftLeaveResponse,
  RaftMember,
  RaftMembershipService,
  RenameContainerResponse,
  type WeightedManager,
} from '@swarmts/proto';
import type { Disk, LeaderChange } from 'raft-ts';
import { type ClientOrder, checkClientOrder } from './ca/api-certificates.js';
import { CaServer } from './ca/ca-server.js';
import { createRequest } from './ca/certificates.js';
import type { CredentialFiles, Credentials } from './ca/credentials.js';
import { ExternalCas } from './ca/external-ca.js';
import { createNetwork } from './control/network-operations.js';
import { fromWire, toWire } from './control/operation-wire.js';
import {
  creations,
  type OperationArgs,
  type OperationName,
  type OperationResult,
  Operations,
  operationNames,
  storeReads,
} from './control/operations.js';
import { FORWARD_TIMEOUT_MS, LeaderConnection } from './leader-connection.js';
import { LeaderRuntime } from './leader-runtime.js';
import type { LogSubject } from './logs/log-broker.js';
import { readOverLeaders } from './logs/read-over-leaders.js';
import { joinRaft } from './raft/join-raft.js';
import { NO_LEADER, RaftGroup, type RaftTimings } from './raft/raft-group.js';
import { withRemovedMembers } from './raft/removed-members.js';
import { serveMessages } from './raft/serve-messages.js';
import { Authoriser } from './rpc/authorise.js';
import { RpcServer } from './rpc/server.js';
import { openTunnelThrough, serveTunnel } from './rpc/tunnel.js';
import type { VolumePlugins } from './volumes/volume-plugins.js';

/** How long a request waits for a leader to be elected before it fails. */
const LEADER_WAIT_MS = 3_000;
const LEADER_POLL_MS = 50;
/** Others may be too busy to confirm a new leader in time. */
const LEAD_RETRY_MS = 200;
/** Leadership is handed over at most so often by a loop that cannot go on. */
const HAND_OVER_MIN_MS = 60_000;

export interface LeaderLoad {
  /** Agents that are connected. */
  readonly sessions: number;
  /** Tasks that have no node yet. */
  readonly pendingTasks: number;
}

export interface ManagerOptions {
  readonly dir: string;
  readonly listenAddr: string;
  /** host:port under which the other nodes reach this manager. */
  readonly advertiseAddr: string;
  readonly raftId: number;
  readonly credentials: Credentials;
  /** Keys of log and snapshots, the newest first. */
  readonly dataKeys: () => readonly Uint8Array[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly snapshotEntries: number;
  /** First manager of a new cluster: what it writes once it leads. */
  readonly bootstrap?: { readonly cluster: Cluster; readonly node: Node };
  /** The majority was lost, and this manager goes on alone: what the others were as managers is forgotten. */
  readonly takeOver?: boolean;
  /** Addresses of managers to join at, one after the other until one takes this one in; without them the log on disk is used. */
  readonly joinAddrs?: readonly string[];
  readonly volumePlugins: VolumePlugins;
  /** Gives the start up: whoever has asked for it stops. */
  readonly signal?: AbortSignal;
  readonly onFatal: (e: Error) => void;
  /** This manager was removed from Raft (demoted). */
  readonly onRemoved: () => void;
  /** Another manager has said that this one was removed from Raft, of which its own log knows nothing. */
  readonly onExpelled: () => void;
  readonly timings?: RaftTimings;
  /** Where log and snapshots are, for tests. */
  readonly disk?: Disk;
}

/** The part of the CA operation that a follower forwards. */
const ISSUE = 'ca.issue';
const ISSUE_CLIENT = 'ca.issueClient';
const RAFT_JOIN = 'raft.join';

/** The network of the routing mesh, as every swarm begins with. */
const ingressSpec = NetworkSpec.create({
  annotations: { name: 'ingress', labels: {} },
  ingress: true,
  ipv6Enabled: true,
});

export class Manager {
  readonly raft: RaftGroup;
  readonly #o: ManagerOptions;
  readonly #operations: Operations;
  readonly #ca: CaServer;
  readonly #server: RpcServer;
  #runtime: LeaderRuntime | undefined;
  #transition: Promise<void> = Promise.resolve();
  #leads = false;
  #takesOver: boolean;
  /** The Raft ids of those that come to lead; 0 when nobody does. */
  readonly #leaders: WatchQueue<number>;
  #stopped = false;
  #stopping: Promise<void> | undefined;
  #lastHandOverMs = Number.NEGATIVE_INFINITY;
  readonly #stop = new AbortController();
  readonly #leader: LeaderConnection;

  private constructor(o: ManagerOptions, raft: RaftGroup) {
    this.#o = o;
    this.#takesOver = o.takeOver ?? false;
    this.raft = raft;
    const now = () => o.clock.now();
    const external = new ExternalCas({ ...o, identity: () => o.credentials.files });
    const { signal } = this.#stop;
    this.#leaders = new WatchQueue((error) => o.log.error('a watcher of leaders failed', { error }));
    this.#leader = new LeaderConnection({ credentials: o.credentials, leaders: this.#leaders, signal });
    this.#ca = new CaServer({ store: raft.store, now, external, signal });
    this.#operations = new Operations({
      raft,
      now,
      clock: o.clock,
      externalCas: external,
      signal,
      scheduling: () => this.#leaderRuntime().scheduling,
    });
    const authoriser = new Authoriser({
      now,
      rootPem: () => o.credentials.files.rootPem,
      clusterId: () => o.credentials.identity.clusterId,
      isBlacklisted: (nodeId) => raft.store.view((tx) => tx.list('cluster')[0])?.blacklist[nodeId] !== undefined,
    });
    this.#server = new RpcServer({ authoriser, leaderAddr: () => raft.leader?.addr ?? '' });
    this.#registerServices();
  }

  /**
   * Opens the log, joins where asked to, listens. Nothing is left running when it throws; the others may have taken this one in
   * all the same, and it has to be tried again with the same `raftId`, lest they wait for a member that never comes. Throws
   * SwarmtsError 'conflict' when that id was taken out for good.
   */
  static async start(o: ManagerOptions): Promise<Manager> {
    const self = RaftMember.create({ raftId: o.raftId, nodeId: o.credentials.identity.nodeId, addr: o.advertiseAddr });
    let manager: Manager | undefined;
    const pending: LeaderChange[] = [];
    const raft = await RaftGroup.open({
      ...o,
      self,
      bootstrap: o.bootstrap !== undefined,
      members: [],
      onLeaderChange: (c) => {
        if (manager) manager.#onLeaderChange(c);
        else pending.push(c);
      },
      onDiskFull: () => {
        if (manager) manager.#onStuck(new SwarmtsError('resource-exhausted', 'its disk is full'));
      },
    });
    const starting = new Manager(o, raft);
    manager = starting;
    const giveUp = () => starting.#stop.abort();
    o.signal?.addEventListener('abort', giveUp);
    try {
      await manager.#server.listen(o.listenAddr, o.credentials.server());
      for (const c of pending) manager.#onLeaderChange(c);
      if (o.joinAddrs !== undefined) await manager.#join(o.joinAddrs, self);
      return manager;
    } catch (e) {
      await manager.stop();
      throw e;
    } finally {
      o.signal?.removeEventListener('abort', giveUp);
    }
  }

  get isLeader(): boolean {
    return this.#leads && this.#runtime !== undefined;
  }

  /** What the leader's loops have to do; undefined on followers. */
  get load(): LeaderLoad | undefined {
    const runtime = this.#runtime;
    return runtime && { sessions: runtime.dispatcher.sessionCount, pendingTasks: runtime.scheduling.pendingCount };
  }

  get store() {
    return this.raft.store;
  }

  /** Resolves when the log may be opened by another one, whoever asked first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    this.#stopped = true;
    this.#stop.abort();
    if (this.raft.isLeader)
      await this.raft
        .handOver()
        .catch((e: unknown) => this.#o.log.warn('leadership was not handed over', { error: e }));
    this.#onLeadership(false);
    await this.#transition;
    this.#server.close();
    this.#leader.close();
    await this.raft.stop();
  }

  // Leadership

  #onLeaderChange(c: LeaderChange): void {
    this.#leaders.publish(c.leader);
    this.#onLeadership(c.isLeader);
  }

  #onLeadership(isLeader: boolean): void {
    const leads = isLeader && !this.#stopped;
    if (leads === this.#leads) return;
    this.#leads = leads;
    this.#transition = this.#transition
      .then(() => (leads ? this.#lead() : this.#yield()))
      .catch((e: unknown) => {
        this.#o.log.error('change of leadership failed', { error: e });
        this.#onStuck(e);
      });
  }

  /** Tried until it is done: a leader in Raft alone would leave the swarm without anybody who works. */
  async #lead(): Promise<void> {
    for (let failures = 1; this.#leads; failures++) {
      try {
        await this.#begin();
        return;
      } catch (e) {
        if (!this.#leads) return;
        this.#o.log.warn('leadership is not taken up yet, trying again', { error: e });
        if (failures >= GIVE_UP_AFTER) this.#onStuck(e);
        await sleep(this.#o.clock, LEAD_RETRY_MS);
      }
    }
  }

  async #begin(): Promise<void> {
    await this.raft.readBarrier(this.#stop.signal);
    if (this.#o.bootstrap && this.store.count('cluster') === 0) await this.#writeFirstObjects(this.#o.bootstrap);
    if (this.#takesOver) await this.#forgetOtherManagers();
    // Managers that come after that are wanted, also when it leads once more.
    this.#takesOver = false;
    if (!this.#leads) return;
    const { clock, random, log, volumePlugins } = this.#o;
    this.#runtime = new LeaderRuntime({
      clock,
      random,
      log,
      store: this.store,
      raft: this.raft,
      nodeId: this.#o.credentials.identity.nodeId,
      managers: () => this.managers(),
      onStuck: (e) => this.#onStuck(e),
      volumePlugins,
    });
    this.#runtime.start();
    log.info('this manager leads the swarm', { term: this.raft.status.term });
  }

  async #yield(): Promise<void> {
    const runtime = this.#runtime;
    this.#runtime = undefined;
    if (!runtime) return;
    await runtime.stop();
    this.#o.log.info('this manager does not lead any more');
  }

  async #writeFirstObjects(b: { readonly cluster: Cluster; readonly node: Node }): Promise<void> {
    await this.store.update((tx) => {
      tx.create('cluster', b.cluster);
      tx.create('node', b.node);
      createNetwork(tx, ingressSpec);
    });
  }

  /** Those that come back find that they are workers now, and follow. */
  async #forgetOtherManagers(): Promise<void> {
    const { nodeId } = this.#o.credentials.identity;
    await this.store.update((tx) => {
      const removed: number[] = [];
      for (const node of tx.list('node')) {
        if (node.id === nodeId) {
          const managerStatus = {
            raftId: this.#o.raftId,
            addr: this.#o.advertiseAddr,
            leader: true,
            reachability: 2 as const,
          };
          tx.update('node', {
            ...node,
            managerStatus,
            spec: NodeSpec.create({ ...node.spec, role: NodeRole.MANAGER }),
          });
        } else if (node.managerStatus || node.spec?.role === NodeRole.MANAGER) {
          if (node.managerStatus) removed.push(node.managerStatus.raftId);
          const spec = NodeSpec.create({ ...node.spec, role: NodeRole.WORKER });
          tx.update('node', { ...node, spec, managerStatus: undefined });
        }
      }
      const cluster = tx.list('cluster')[0];
      if (cluster && removed.length > 0) tx.update('cluster', withRemovedMembers(cluster, removed));
    });
  }

  /** A certificate for this manager itself, while it leads: also when its own has expired and no connection can be made. */
  async issueForSelf(csrPem: string): Promise<IssueCertificateResponse> {
    this.#leaderRuntime();
    const request = IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem) });
    return this.#ca.issue(request, this.#o.credentials.identity.nodeId);
  }

  /** A key with the cluster's certificate for a client of the API. Only the request goes to the leader. Throws SwarmtsError. */
  async issueForClient(order: Omit<ClientOrder, 'csrPem'>): Promise<CredentialFiles> {
    checkClientOrder(order);
    const { keyPem, csrPem } = await createRequest();
    const answer = await this.#callLeader(ISSUE_CLIENT, { ...order, csrPem } satisfies ClientOrder);
    const { certPem, rootCaPem } = answer as Awaited<ReturnType<CaServer['issueForClient']>>;
    return { keyPem, certPem, rootPem: rootCaPem };
  }

  #onStuck(e: unknown): void {
    const nowMs = this.#o.clock.monotonic();
    if (!this.raft.isLeader || nowMs - this.#lastHandOverMs < HAND_OVER_MIN_MS) return;
    this.#lastHandOverMs = nowMs;
    this.#o.log.error('handing leadership over: this leader cannot go on', { error: e });
    this.raft.handOver().catch((error: unknown) => this.#o.log.error('leadership was not handed over', { error }));
  }

  #leaderRuntime(): LeaderRuntime {
    if (!this.#runtime || !this.#leads) throw new SwarmtsError('no-leader', NO_LEADER);
    return this.#runtime;
  }

  /** The managers that agents may talk to. */
  managers(): readonly WeightedManager[] {
    return this.store
      .view((tx) => tx.list('node'))
      .filter((n) => n.managerStatus)
      .map((n) => ({ nodeId: n.id, addr: n.managerStatus?.addr ?? '' }));
  }

  // Control

  /** Runs an operation on the leader, wherever that is; a read of the store alone right here. Throws SwarmtsError; 'no-leader' when there is none. */
  async call<K extends OperationName>(name: K, args: OperationArgs<K>): Promise<OperationResult<K>> {
    return (await this.#callLeader(name, args)) as OperationResult<K>;
  }

  async #callLeader(name: string, given: unknown): Promise<unknown> {
    const args = creations.has(name) ? { ...(given as object), id: newId() } : given;
    const isRepeatable = isIdempotent(name) || mayRepeat(name);
    let deadline: number | undefined;
    let mayBeDone = false;
    for (;;) {
      try {
        if (this.isLeader) return await this.#runHere(name, args);
        const leader = this.raft.leader;
        if (leader && leader.raftId !== this.raft.status.id)
          return storeReads.has(name)
            ? await this.#read(name, args)
            : await this.#leader.call(leader, { operation: name, args, mayRepeat: isRepeatable });
        throw new SwarmtsError('no-leader', NO_LEADER);
      } catch (e) {
        const error = asSwarmtsError(e);
        // Who removes what is gone after all has what was asked for.
        if (mayBeDone && error.code === 'not-found' && isRemoval(name)) return undefined;
        const again =
          error.code === 'no-leader' || error.code === 'not-leader' || (isAnswerLost(error) && isRepeatable);
        mayBeDone ||= isAnswerLost(error);
        if (!again) throw error;
        deadline ??= this.#o.clock.monotonic() + LEADER_WAIT_MS;
        if (this.#stopped || this.#o.clock.monotonic() >= deadline)
          throw new SwarmtsError('no-leader', NO_LEADER, { cause: error });
        await sleep(this.#o.clock, LEADER_POLL_MS);
      }
    }
  }

  async #runHere(name: string, args: unknown): Promise<unknown> {
    this.#leaderRuntime();
    if (name === ISSUE) {
      const a = args as { readonly request: IssueCertificateRequest; readonly callerId: string };
      return this.#ca.issue(a.request, a.callerId);
    }
    if (name === ISSUE_CLIENT) return this.#ca.issueForClient(args as ClientOrder);
    if (name === RAFT_JOIN) return this.#takeMember(args as RaftMember);
    if (!operationNames.has(name))
      throw new SwarmtsError('unsupported', `unknown operation ${name}: the managers are of different releases`);
    return isIdempotent(name) ? this.#read(name, args) : this.#operate(name, args);
  }

  /** From the store as it is here, with everything that was committed before. */
  async #read(name: string, args: unknown): Promise<unknown> {
    await this.raft.readBarrier(this.#stop.signal);
    return this.#operate(name, args);
  }

  #operate(name: string, args: unknown): unknown {
    const operation = this.#operations[name as OperationName] as (a: unknown) => unknown;
    return operation.call(this.#operations, args);
  }

  /** Log lines of tasks on any node, also while leaders change; ends with an error when this manager stops. */
  logs(subject: LogSubject, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const open = (s: LogSubject, q: LogQuery, until: AbortSignal) => this.#logsOfLeader(s, q, until);
    return readOverLeaders({ clock: this.#o.clock, open }, subject, query, signal);
  }

  async *#logsOfLeader(subject: LogSubject, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    if (this.#stopped) throw new SwarmtsError('failed-precondition', 'this node is not a manager any more');
    if (this.isLeader) {
      yield* this.#leaderRuntime().logs.read(subject, query, signal);
      return;
    }
    const leader = this.raft.leader;
    if (!leader || leader.raftId === this.raft.status.id) throw new SwarmtsError('no-leader', NO_LEADER);
    yield* this.#leader.logs(leader, subject, query, signal);
  }

  /** A connection to the API of a node, named by id, prefix or hostname. Throws SwarmtsError. */
  async openTunnel(nodeRef: string): Promise<Duplex> {
    const node = await this.call('getNode', { ref: nodeRef });
    if (this.isLeader) return this.#leaderRuntime().dispatcher.openTunnel(node.id);
    const leader = this.raft.leader;
    if (!leader) throw new SwarmtsError('no-leader', NO_LEADER);
    return openTunnelThrough(this.#leader.to(leader), node.id);
  }

  // Membership

  async #join(addrs: readonly string[], self: RaftMember): Promise<void> {
    const { credentials } = this.#o;
    const timeoutMs = FORWARD_TIMEOUT_MS;
    this.raft.book.put(await joinRaft({ self, addrs, credentials, signal: this.#stop.signal, timeoutMs }));
    await this.raft.book.saved();
  }

  /** On the leader: records where the manager is reached, then takes it into Raft as a learner. */
  async #takeMember(member: RaftMember): Promise<RaftJoinResponse> {
    await this.store.update((tx) => {
      const node = tx.get('node', member.nodeId);
      if (!node) throw new SwarmtsError('not-found', `node ${member.nodeId} is not part of this swarm`);
      if (node.spec?.role !== NodeRole.MANAGER)
        throw new SwarmtsError('permission-denied', `node ${member.nodeId} is not a manager`);
      const cluster = tx.list('cluster')[0];
      if (cluster?.removedRaftIds.includes(member.raftId)) {
        throw new SwarmtsError('conflict', `raft id ${member.raftId} was removed and is not used again`);
      }
      const managerStatus = { raftId: member.raftId, addr: member.addr, leader: false, reachability: 0 as const };
      tx.update('node', { ...node, managerStatus });
    });
    const { voters, learners } = this.raft.status;
    const { raftId, addr } = member;
    const isKnown = voters.includes(raftId) || (learners.includes(raftId) && this.raft.book.get(raftId)?.addr === addr);
    if (!isKnown) await this.raft.addLearner(member);
    if (this.store.get('node', member.nodeId)?.managerStatus?.raftId !== raftId) {
      await this.raft.remove(raftId);
      throw new SwarmtsError('conflict', `raft id ${raftId} was removed while it was taken in`);
    }
    return RaftJoinResponse.create({ raftId: member.raftId, members: this.raft.book.list() });
  }

  #receive(message: Uint8Array): void {
    if (this.#stopped) return;
    // The others are not yet written down as removed.
    if (this.#takesOver) throw new SwarmtsError('unavailable', 'this manager is about to be the only one');
    this.raft.receive(message);
  }

  // Services of the gRPC server

  #registerServices(): void {
    const s = this.#server;
    s.unary(CaService.getRootCa, async () => this.#ca.getRoot());
    s.unary(CaService.issueCertificate, async (request, caller) => {
      const answer = await this.#callLeader(ISSUE, { request, callerId: caller?.nodeId ?? '' });
      return IssueCertificateResponse.create(answer as IssueCertificateResponse);
    });
    s.bidi(DispatcherService.session, (stream, caller) => this.#leaderRuntime().dispatcher.serve(stream, caller));
    serveMessages(s, (message) => this.#receive(message), this.#o.log);
    s.unary(NetworkAttacherService.attach, async (request, caller) => {
      const answer = await this.#callLeader('attachContainer', { ...request, nodeId: caller?.nodeId ?? '' });
      return AttachContainerResponse.create(answer as AttachContainerResponse);
    });
    s.unary(NetworkAttacherService.rename, async (request, caller) => {
      await this.#callLeader('renameContainer', { ...request, nodeId: caller?.nodeId ?? '' });
      return RenameContainerResponse.create({});
    });
    s.unary(NetworkAttacherService.detach, async (request, caller) => {
      await this.#callLeader('detachContainer', { taskId: request.taskId, nodeId: caller?.nodeId ?? '' });
      return DetachContainerResponse.create({});
    });
    s.unary(RaftMembershipService.join, async (request, caller) => {
      const member = RaftMember.create({ raftId: request.raftId, addr: request.addr, nodeId: caller?.nodeId ?? '' });
      return RaftJoinResponse.create((await this.#callLeader(RAFT_JOIN, member)) as RaftJoinResponse);
    });
    s.unary(RaftMembershipService.leave, async (_request, caller) => {
      await this.#callLeader('managerLeaves', { nodeId: caller?.nodeId ?? '' });
      return RaftLeaveResponse.create({});
    });
    s.unary(ControlService.call, async (request) => this.#serveControl(request));
    s.bidi(ControlService.tunnel, (frames) =>
      serveTunnel(frames, (nodeId) => this.#leaderRuntime().dispatcher.openTunnel(nodeId)),
    );
    s.serverStream(ControlService.logs, async (call, signal) => {
      const { query, ...subject } = call.request;
      if (!query) throw new SwarmtsError('invalid-argument', 'a log request without query');
      for await (const chunk of this.#leaderRuntime().logs.read(subject, query, signal))
        if (!call.write(chunk)) await once(call, 'drain', { signal });
    });
  }

  async #serveControl(call: ControlCall): Promise<ControlResult> {
    try {
      if (!this.isLeader) throw new SwarmtsError('not-leader', 'this manager is not the leader');
      const { operation } = call;
      const result = await this.#runHere(operation, fromWire(operation, 'args', call.request));
      return ControlResult.create({ response: toWire(operation, 'result', result) });
    } catch (e) {
      const error = asSwarmtsError(e);
      return ControlResult.create({ errorCode: error.code, errorMessage: error.message });
    }
  }
}

/** Whether the operation was carried out is not known then. */
function isAnswerLost({ code }: SwarmtsError): boolean {
  return code === 'unavailable' || code === 'aborted';
}

function isRemoval(operation: string): boolean {
  return operation.startsWith('remove');
}

/** A second time changes nothing any more. */
function mayRepeat(operation: string): boolean {
  return creations.has(operation) || isRemoval(operation);
}

/** Reads may be asked again when the answer got lost. */
function isIdempotent(operation: string): boolean {
  return /^(list|get|explain|plan|describe)/.test(operation);
}
