/** The swarm part of the API's backend: membership through the node, everything else through the manager's control. */
import type { Duplex } from 'node:stream';
import type {
  ClientCertificate,
  ClientCertificateOrder,
  ClusterUpdate,
  InitRequest,
  JoinRequest,
  PayloadVersion,
  PlacementExplanation,
  ScheduleDescription,
  ServiceLogLine,
  ServicePlan,
  ServiceWithCounts,
  SwarmBackend,
  SwarmEvent,
  SwarmInfo,
  TaskExplanation,
  TaskQuery,
  VolumeChange,
} from '@swarmts/api';
import { type Clock, isSwarmtsError, type Logger, SwarmtsError, unusedName } from '@swarmts/lib';
import {
  type Manager,
  type OperationArgs,
  type OperationName,
  type OperationResult,
  specWarnings,
} from '@swarmts/manager';
import {
  type ClientCertificateRecord,
  type Cluster,
  type ClusterEvent,
  ClusterSpec,
  type Config,
  type LogChunk,
  type LogQuery,
  type Network,
  type NetworkSpec,
  type Node,
  type NodeSpec,
  observedState,
  type Secret,
  type ServiceSpec,
  type Task,
  taskStateName,
  type Volume,
  type VolumeSpec,
} from '@swarmts/proto';
import { splitHostPort } from '../swarm/addresses.js';
import { watchManager } from '../swarm/manager-watch.js';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { callLeader, leaderError } from './leader-calls.js';
import { linesInOrder } from './lines-in-order.js';

export class NodeSwarmBackend implements SwarmBackend {
  readonly #node: SwarmNode;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<(e: SwarmEvent) => void>();

  constructor(node: SwarmNode, clock: Clock, log: Logger) {
    this.#node = node;
    this.#clock = clock;
    this.#log = log;
    watchManager(node, { event: (e) => this.#publish(swarmEvent(e)) });
  }

  get #manager(): Manager {
    return this.#node.manager;
  }

  /** Throws SwarmtsError 'not-a-manager' where this node is none. */
  async #call<K extends OperationName>(name: K, args: OperationArgs<K>): Promise<OperationResult<K>> {
    await this.#node.untilStarted();
    const manager = () => this.#node.managerIfAny;
    return callLeader(this.#manager, name, args, { clock: this.#clock, manager });
  }

  async init(r: InitRequest): Promise<string> {
    return this.#node.init(r);
  }

  async join(r: JoinRequest, signal: AbortSignal): Promise<void> {
    await this.#node.join(r, signal);
  }

  async leave(force: boolean): Promise<void> {
    await this.#node.leave(force);
  }

  async info(): Promise<SwarmInfo> {
    const node = this.#node;
    await node.untilStarted();
    const { state } = node;
    const local =
      state === undefined
        ? 'inactive'
        : node.locked
          ? 'locked'
          : node.error !== ''
            ? 'error'
            : node.isActive
              ? 'active'
              : 'pending';
    const addr = state ? splitHostPort(state.advertiseAddr, 0).host : '';
    const manager = node.managerIfAny;
    const cluster = manager?.store.view((tx) => tx.list('cluster')[0]);
    const nodes = manager?.store.view((tx) => tx.list('node')) ?? [];
    const managers = manager?.managers() ?? state?.managers ?? [];
    return {
      nodeId: node.nodeId,
      nodeAddr: addr,
      localNodeState: local,
      controlAvailable: manager !== undefined,
      error: node.error || this.#lonely(),
      remoteManagers: managers.map((m) => ({ nodeId: m.nodeId, addr: m.addr })),
      ...(cluster ? { cluster } : {}),
      nodes: nodes.length,
      managers: nodes.filter((n) => n.managerStatus).length,
    };
  }

  /** Why a member cannot be of use for now; '' where it can. */
  #lonely(): string {
    const { managerIfAny: manager, connected, isActive } = this.#node;
    if (manager) return manager.raft.leader === undefined ? NO_LEADER_INFO : '';
    return isActive && !connected ? NO_MANAGER_INFO : '';
  }

  async inspect(): Promise<Cluster> {
    return this.#call('getCluster', {});
  }

  async update(u: ClusterUpdate): Promise<void> {
    const cluster = await this.inspect();
    const spec = ClusterSpec.create({ ...cluster.spec });
    await this.#call('updateCluster', {
      version: u.version,
      rotateWorkerToken: u.rotateWorkerToken,
      rotateManagerToken: u.rotateManagerToken,
      rotateUnlockKey: u.rotateUnlockKey,
      ...(u.signingCa ? { signingCa: u.signingCa } : {}),
      spec: {
        ...spec,
        annotations: u.labels ? { name: spec.annotations?.name ?? 'default', labels: u.labels } : spec.annotations,
        orchestration: u.taskHistoryLimit === undefined ? spec.orchestration : { taskHistoryLimit: u.taskHistoryLimit },
        dispatcher: u.heartbeatPeriodNs === undefined ? spec.dispatcher : { heartbeatPeriodNs: u.heartbeatPeriodNs },
        ca: {
          nodeCertExpiryNs: u.nodeCertExpiryNs ?? spec.ca?.nodeCertExpiryNs ?? 0,
          forceRotate: u.forceRotate ?? spec.ca?.forceRotate ?? 0,
          externalCas: [...(u.externalCas ?? spec.ca?.externalCas ?? [])],
        },
        taskDefaultLogDriver: u.logDriver
          ? u.logDriver.name === ''
            ? undefined
            : u.logDriver
          : spec.taskDefaultLogDriver,
        encryption: u.autoLock === undefined ? spec.encryption : { autoLockManagers: u.autoLock },
        raft: spec.raft && { ...spec.raft, ...u.raft },
      },
    });
  }

  async unlockKey(): Promise<string> {
    return this.#call('getUnlockKey', {});
  }

  async recover(token: string, remoteAddrs: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#node.recover(token, remoteAddrs, signal);
  }

  async createClientCertificate(order: ClientCertificateOrder): Promise<ClientCertificate> {
    const { rootPem, certPem, keyPem } = await this.#manager.issueForClient(order);
    return { ca: rootPem, certificate: certPem, key: keyPem };
  }

  async clientCertificates(): Promise<readonly ClientCertificateRecord[]> {
    return this.#call('listClientCertificates', {});
  }

  async revokeClientCertificates(ref: string): Promise<readonly ClientCertificateRecord[]> {
    return this.#call('revokeClientCertificates', { ref });
  }

  async unlock(key: string): Promise<void> {
    await this.#node.unlock(key);
  }

  async nodes(): Promise<readonly Node[]> {
    return this.#call('listNodes', {});
  }

  async node(ref: string): Promise<Node> {
    return this.#call('getNode', { ref: ref === 'self' ? this.#node.nodeId : ref });
  }

  async openTunnel(ref: string): Promise<Duplex> {
    try {
      return await this.#manager.openTunnel(ref === 'self' ? this.#node.nodeId : ref);
    } catch (e) {
      throw leaderError(e);
    }
  }

  async updateNode(ref: string, version: number, spec: NodeSpec): Promise<void> {
    await this.#call('updateNode', { ref, version, spec });
  }

  async removeNode(ref: string, force: boolean): Promise<void> {
    await this.#call('removeNode', { ref, force });
  }

  async services(options: { readonly withCounts: boolean }): Promise<readonly ServiceWithCounts[]> {
    return this.#call('listServices', options);
  }

  async service(ref: string): Promise<ServiceWithCounts> {
    return this.#call('getService', { ref });
  }

  async createService(spec: ServiceSpec) {
    const { id } = await this.#call('createService', { spec: this.#named(spec) });
    return { id, warnings: specWarnings(spec) };
  }

  /** Docker gives a service a random name when its client sends none. */
  #named(spec: ServiceSpec): ServiceSpec {
    if ((spec.annotations?.name ?? '') !== '') return spec;
    const taken = this.#manager.store.view((tx) => new Set(tx.list('service').map((s) => s.spec?.annotations?.name)));
    const name = unusedName(Math.random, (n) => taken.has(n));
    return { ...spec, annotations: { name, labels: spec.annotations?.labels ?? {} } };
  }

  async updateService(ref: string, version: number, spec: ServiceSpec, options: { readonly rollback: boolean }) {
    await this.#call('updateService', { ref, version, spec, rollback: options.rollback });
    return { warnings: specWarnings(spec) };
  }

  async removeService(ref: string): Promise<void> {
    await this.#call('removeService', { ref });
  }

  async explainService(ref: string): Promise<PlacementExplanation> {
    const answer = await this.#call('explainService', { ref });
    return { serviceId: answer.serviceId, nodes: verdictsOf(answer.nodes) };
  }

  async explainTask(ref: string): Promise<TaskExplanation> {
    const { task, nodes } = await this.#call('explainTask', { ref });
    return {
      taskId: task.id,
      serviceId: task.serviceId,
      nodeId: task.nodeId,
      state: taskStateName(observedState(task)),
      problem: task.status?.err ?? '',
      nodes: verdictsOf(nodes),
    };
  }

  async planService(ref: string, spec: ServiceSpec): Promise<ServicePlan> {
    return this.#call('planService', { ref, spec: ref === '' ? this.#named(spec) : spec });
  }

  async rebalanceService(ref: string) {
    return this.#call('rebalanceService', { ref });
  }

  async describeSchedule(ref: string): Promise<ScheduleDescription> {
    return this.#call('describeSchedule', { ref });
  }

  async tasks(options: TaskQuery = {}): Promise<readonly Task[]> {
    return this.#call('listTasks', options);
  }

  async task(ref: string): Promise<Task> {
    return this.#call('getTask', { ref });
  }

  async logs(
    kind: 'service' | 'task',
    ref: string,
    query: LogQuery,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<ServiceLogLine | { readonly warning: string }>> {
    return this.#readLogs(await this.#tasksFor(kind, ref), query, signal);
  }

  async *#readLogs(
    { tasks, serviceId }: { readonly tasks: readonly Task[]; readonly serviceId: string },
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncGenerator<ServiceLogLine | { readonly warning: string }> {
    const byId = new Map(tasks.map((t) => [t.id, t]));
    // Tasks that came later, as this manager knows them.
    const taskOf = (id: string) => byId.get(id) ?? this.#node.managerIfAny?.store.get('task', id);
    const chunks = withLeaderErrors(
      this.#manager.logs({ taskIds: [...byId.keys()], serviceId, from: [] }, query, signal),
      signal,
    );
    async function* pieces() {
      for await (const chunk of chunks) yield linesOf(chunk, taskOf);
    }
    // Without following there is an end to them.
    if (!query.follow) yield* linesInOrder<ServiceLogLine, { readonly warning: string }>(pieces());
    else for await (const piece of pieces()) yield* piece;
  }

  async #tasksFor(
    kind: 'service' | 'task',
    ref: string,
  ): Promise<{ readonly tasks: readonly Task[]; readonly serviceId: string }> {
    if (kind === 'task') return { tasks: [await this.#call('getTask', { ref })], serviceId: '' };
    const { service } = await this.#call('getService', { ref });
    const tasks = (await this.#call('listTasks', {})).filter((t) => t.serviceId === service.id);
    return { tasks, serviceId: service.id };
  }

  async secrets(): Promise<readonly Secret[]> {
    return this.#call('listSecrets', {});
  }

  async secret(ref: string): Promise<Secret> {
    return this.#call('getSecret', { ref });
  }

  async createSecret(spec: Secret['spec']): Promise<string> {
    return (await this.#call('createSecret', { spec: given('secret', spec) })).id;
  }

  async updateSecret(ref: string, version: number, spec: Secret['spec']): Promise<void> {
    await this.#call('updateSecret', { ref, version, spec: given('secret', spec) });
  }

  async removeSecret(ref: string): Promise<void> {
    await this.#call('removeSecret', { ref });
  }

  async configs(): Promise<readonly Config[]> {
    return this.#call('listConfigs', {});
  }

  async config(ref: string): Promise<Config> {
    return this.#call('getConfig', { ref });
  }

  async createConfig(spec: Config['spec']): Promise<string> {
    return (await this.#call('createConfig', { spec: given('config', spec) })).id;
  }

  async updateConfig(ref: string, version: number, spec: Config['spec']): Promise<void> {
    await this.#call('updateConfig', { ref, version, spec: given('config', spec) });
  }

  async removeConfig(ref: string): Promise<void> {
    await this.#call('removeConfig', { ref });
  }

  async addPayloadVersion(
    kind: 'secret' | 'config',
    ref: string,
    data: Uint8Array,
    follow: boolean,
  ): Promise<PayloadVersion> {
    return this.#call('addPayloadVersion', { kind, ref, data, follow });
  }

  async networks(): Promise<readonly Network[]> {
    return this.#call('listNetworks', {});
  }

  async network(ref: string): Promise<Network> {
    return this.#call('getNetwork', { ref });
  }

  async createNetwork(spec: NetworkSpec): Promise<string> {
    return (await this.#call('createNetwork', { spec })).id;
  }

  async removeNetwork(ref: string): Promise<void> {
    await this.#call('removeNetwork', { ref });
  }

  async volumes(): Promise<readonly Volume[]> {
    return this.#call('listVolumes', {});
  }

  async volume(ref: string): Promise<Volume> {
    return this.#call('getVolume', { ref });
  }

  async createVolume(spec: VolumeSpec): Promise<Volume> {
    return this.#call('createVolume', { spec });
  }

  async updateVolume(ref: string, version: number, change: VolumeChange): Promise<void> {
    await this.#call('updateVolume', { ref, version, ...change });
  }

  async removeVolume(ref: string, force: boolean): Promise<void> {
    await this.#call('removeVolume', { ref, force });
  }

  onEvent(listener: (e: SwarmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  eventsSince(timeNs: bigint): readonly SwarmEvent[] {
    const events = this.#node.managerIfAny?.store.events ?? [];
    return events.map(swarmEvent).filter((e) => e.timeNs >= timeNs);
  }

  #publish(event: SwarmEvent): void {
    for (const l of [...this.#listeners]) {
      try {
        l(event);
      } catch (e) {
        if (!isSwarmtsError(e)) this.#log.warn('an event listener failed', { error: e });
      }
    }
  }
}

function swarmEvent({ type, action, id, attributes, timeMs, number }: ClusterEvent): SwarmEvent {
  return { type, action, id, attributes, timeNs: BigInt(timeMs) * 1_000_000n + BigInt(number) };
}

const NO_LEADER_INFO = 'The swarm does not have a leader';
const NO_MANAGER_INFO = 'This node is not connected to a manager of the swarm';

/** What the reader itself ends is no failure of a leader. */
async function* withLeaderErrors<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (e) {
    throw signal.aborted ? e : leaderError(e);
  }
}

function given<T>(kind: string, spec: T | undefined): T {
  if (spec === undefined) throw new SwarmtsError('invalid-argument', `${kind} spec is missing`);
  return spec;
}

function linesOf(
  chunk: LogChunk,
  taskOf: (id: string) => Task | undefined,
): readonly (ServiceLogLine | { readonly warning: string })[] {
  const lines = chunk.lines.map((l) => {
    const task = taskOf(l.taskId);
    return {
      taskId: l.taskId,
      nodeId: task?.nodeId ?? '',
      serviceId: task?.serviceId ?? '',
      stream: l.stderr ? ('stderr' as const) : ('stdout' as const),
      timeNs: BigInt(l.timeNs || '0'),
      data: l.data,
      attributes: l.attributes,
    };
  });
  return chunk.error === '' ? lines : [...lines, { warning: chunk.error }];
}

function verdictsOf(nodes: OperationResult<'explainService'>['nodes']): PlacementExplanation['nodes'] {
  return nodes.map(({ node, filters }) => ({
    nodeId: node.id,
    hostname: node.description?.hostname ?? '',
    fits: filters.every((f) => f.ok),
    filters,
  }));
}
