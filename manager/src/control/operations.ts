/**
 * The control operations, run on the leader: each takes one plain argument object, so that a follower can forward it
 * under its name. Reads see everything that was committed before they were asked.
 */
import { allocateAddresses, type Clock, messageOf, newId, SubnetPool, SwarmtsError } from '@swarmts/lib';
import {
  type Cluster,
  type ClusterSpec,
  type Config,
  type ConfigSpec,
  Endpoint,
  isTerminal,
  isWanted,
  type Network,
  type NetworkAttachment,
  type NetworkSpec,
  type Node,
  NodeRole,
  NodeSpec,
  NodeState,
  observedState,
  Reachability,
  type RootCa,
  RootRotation,
  type Secret,
  type SecretSpec,
  Service,
  type ServiceSpec,
  type Task,
  TaskState,
  TaskStatus,
  UpdateOrder,
  UpdateState,
  UpdateStatus,
  type Volume,
  type VolumeSpec,
} from '@swarmts/proto';
import type { FilterVerdict } from '@swarmts/scheduler';
import { ingressNetwork, isNodeNetwork } from '../allocator/attachments.js';
import { keyPeriodMs } from '../allocator/network-key-renewal.js';
import { assignPorts, isIngress } from '../allocator/published-ports.js';
import { checkOwnRoot, createRootCa, crossSign, sameCertificate } from '../ca/certificates.js';
import { newJoinToken } from '../ca/join-token.js';
import { newUnlockKey, unlockKeyText } from '../ca/unlock-key.js';
import { isJob, isOfIteration, nextJobStatus } from '../orchestrator/job.js';
import { isDirty, isPinned, newTask } from '../orchestrator/new-task.js';
import { movesOf } from '../orchestrator/rebalancer.js';
import { replicasOf } from '../orchestrator/replicas.js';
import { sameSpec } from '../orchestrator/same-spec.js';
import type { RaftGroup } from '../raft/raft-group.js';
import type { SchedulingLoop } from '../scheduling/scheduling-loop.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion, nameTaken } from './conflicts.js';
import { describeSchedule, type ScheduleDescription } from './describe-schedule.js';
import { findByNameOrId, findNode, findTask } from './find.js';
import { createAttachment, createNetwork, removeAttachment, removeNetwork } from './network-operations.js';
import {
  addVersion,
  createConfig,
  createSecret,
  followed,
  followers,
  type NewVersion,
  nameOfVersion,
  type PayloadKind,
  removeConfig,
  removeSecret,
  updateConfig,
  updateSecret,
  withoutPayload,
} from './payload-operations.js';
import { planService, type ServicePlan } from './plan-service.js';
import { validateClusterSpec } from './validate-cluster.js';
import { validateServiceSpec } from './validate-service.js';
import { createVolume, removeVolume, updateVolume, type VolumeChange } from './volume-operations.js';

export interface ServiceCounts {
  readonly service: Service;
  readonly runningTasks: number;
  readonly desiredTasks: number;
  readonly completedTasks: number;
}

export interface ControlContext {
  readonly raft: Pick<RaftGroup, 'store' | 'status' | 'isReachable'>;
  readonly scheduling: () => SchedulingLoop;
  readonly clock: Clock;
  readonly now: () => number;
}

interface Ref {
  readonly ref: string;
}

interface Versioned<S> extends Ref {
  readonly version: number;
  readonly spec: S;
}

/** The allocator answers within milliseconds; a leader that is stepping down does not. */
const ALLOCATION_TIMEOUT_MS = 5_000;
const MAX_BLACKLIST_MARGIN_MS = 7 * 24 * 3_600_000;

export class Operations {
  readonly #c: ControlContext;

  constructor(context: ControlContext) {
    this.#c = context;
  }

  #view<T>(fn: (tx: ReadTx) => T): T {
    return this.#c.raft.store.view(fn);
  }

  #update<T>(fn: (tx: WriteTx) => T): Promise<T> {
    return this.#c.raft.store.update(fn);
  }

  // Cluster

  getCluster(_: Record<string, never>): Cluster {
    return this.#view(theCluster);
  }

  async updateCluster(a: {
    readonly version: number;
    readonly spec: ClusterSpec;
    readonly rotateWorkerToken: boolean;
    readonly rotateManagerToken: boolean;
    readonly rotateUnlockKey: boolean;
    /** A root of the user's own to go over to, when `spec.ca.forceRotate` has gone up. */
    readonly signingCa?: { readonly certPem: string; readonly keyPem: string };
  }): Promise<void> {
    keyPeriodMs(a.spec);
    validateClusterSpec(a.spec);
    const rotation = await this.#newRoot(a.spec, a.signingCa);
    await this.#update((tx) => {
      const cluster = theCluster(tx);
      checkVersion('cluster', cluster, a.version);
      const root = Buffer.from(cluster.rootCa?.certPem ?? []).toString();
      const tokens = cluster.rootCa?.joinTokens;
      const joinTokens = {
        worker: a.rotateWorkerToken ? newJoinToken(root) : (tokens?.worker ?? ''),
        manager: a.rotateManagerToken ? newJoinToken(root) : (tokens?.manager ?? ''),
      };
      const unlockKey = nextUnlockKey(cluster, a.spec, a.rotateUnlockKey);
      const rootCa = cluster.rootCa && { ...cluster.rootCa, joinTokens, ...rotation };
      tx.update('cluster', { ...cluster, spec: a.spec, rootCa, unlockKey });
    });
  }

  /** The root that is to come in, where the spec asks for one. */
  async #newRoot(
    spec: ClusterSpec,
    own: { readonly certPem: string; readonly keyPem: string } | undefined,
  ): Promise<Partial<RootCa>> {
    const cluster = this.#view(theCluster);
    const forced = spec.ca?.forceRotate ?? 0;
    // Docker's client counts up only when it brings no certificate.
    if (!cluster.rootCa || (!own && forced === (cluster.spec?.ca?.forceRotate ?? 0))) return {};
    if (cluster.rootCa.rotation)
      throw new SwarmtsError(
        'failed-precondition',
        'a rotation of the root CA is under way already: wait until every node has followed, or remove those that are gone',
      );
    const nowMs = this.#c.now();
    if (own) checkOwnRoot(own, nowMs);
    const next = own ?? (await createRootCa(nowMs));
    const present = {
      certPem: Buffer.from(cluster.rootCa.certPem).toString(),
      keyPem: Buffer.from(cluster.rootCa.keyPem).toString(),
    };
    if (sameCertificate(present.certPem, next.certPem))
      throw new SwarmtsError('invalid-argument', 'the CA certificate is the one that is in use already');
    const crossSigned = await crossSign(present, next.certPem, nowMs);
    const rotation = RootRotation.create({
      certPem: Buffer.from(`${next.certPem.trim()}\n`),
      keyPem: Buffer.from(next.keyPem),
      crossSignedPem: Buffer.from(crossSigned),
    });
    return { rotation, lastForcedRotation: forced };
  }

  /** As people type it; '' without autolock. */
  getUnlockKey(_: Record<string, never>): string {
    const { unlockKey } = this.#view(theCluster);
    return unlockKey.length === 0 ? '' : unlockKeyText(unlockKey);
  }

  // Nodes

  listNodes(_: Record<string, never>): readonly Node[] {
    return this.#view((tx) => tx.list('node')).map((n) => this.#withReachability(n));
  }

  getNode(a: Ref): Node {
    return this.#withReachability(this.#view((tx) => findNode(tx, a.ref)));
  }

  #withReachability(n: Node): Node {
    if (!n.managerStatus) return n;
    const s = this.#c.raft.status;
    const { raftId } = n.managerStatus;
    const reachable = this.#c.raft.isReachable(raftId);
    return {
      ...n,
      managerStatus: {
        ...n.managerStatus,
        leader: raftId === s.leader,
        reachability: reachable ? Reachability.REACHABLE : Reachability.UNREACHABLE,
      },
    };
  }

  async updateNode(a: Versioned<NodeSpec>): Promise<void> {
    const spec = NodeSpec.create(a.spec);
    await this.#update((tx) => {
      const node = findNode(tx, a.ref);
      checkVersion('node', node, a.version);
      if (node.spec?.role === NodeRole.MANAGER && spec.role === NodeRole.WORKER) this.#guardDemotion(tx, node);
      tx.update('node', { ...node, spec });
    });
  }

  #guardDemotion(tx: ReadTx, node: Node): void {
    const managers = tx.list('node').filter((n) => n.spec?.role === NodeRole.MANAGER);
    if (managers.length <= 1) {
      throw new SwarmtsError('failed-precondition', 'attempting to demote the last manager of the swarm');
    }
    const s = this.#c.raft.status;
    const raftId = node.managerStatus?.raftId ?? 0;
    if (!s.voters.includes(raftId)) return;
    const rest = s.voters.filter((id) => id !== raftId);
    const alive = rest.filter((id) => this.#c.raft.isReachable(id)).length;
    if (alive < Math.floor(rest.length / 2) + 1) {
      throw new SwarmtsError(
        'failed-precondition',
        "can't remove member from the raft: this would result in a loss of quorum",
      );
    }
  }

  async removeNode(a: Ref & { readonly force: boolean }): Promise<void> {
    await this.#update((tx) => {
      const node = findNode(tx, a.ref);
      if (node.managerStatus || node.spec?.role === NodeRole.MANAGER) {
        throw new SwarmtsError(
          'failed-precondition',
          `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
        );
      }
      if (!a.force && node.status?.state !== NodeState.DOWN) {
        throw new SwarmtsError('failed-precondition', `node ${node.id} is not down and can't be removed`);
      }
      this.#deleteNode(tx, node);
    });
  }

  /** The node's tasks become ORPHANED in the same transaction, and its certificate is refused from now on. */
  #deleteNode(tx: WriteTx, node: Node): void {
    for (const t of tx.by('task', 'node', node.id)) {
      if (t.spec?.attachment) {
        tx.remove('task', t.id);
        continue;
      }
      if (isTerminal(observedState(t)) || observedState(t) < TaskState.ASSIGNED) continue;
      const status = TaskStatus.create({
        ...t.status,
        state: TaskState.ORPHANED,
        message: 'node was removed',
        appliedAtMs: this.#c.now(),
      });
      tx.update('task', { ...t, status });
    }
    const cluster = theCluster(tx);
    const expiresAtMs = this.#c.now() + (cluster.spec?.ca?.nodeCertExpiryNs ?? 0) / 1e6 + MAX_BLACKLIST_MARGIN_MS;
    tx.update('cluster', { ...cluster, blacklist: { ...cluster.blacklist, [node.id]: { expiresAtMs } } });
    tx.remove('node', node.id);
  }

  /** A manager leaves in order: demoted first, so that Raft lets it go; its record stays as a worker's that is down. */
  async managerLeaves(a: { readonly nodeId: string }): Promise<void> {
    await this.#update((tx) => {
      const node = tx.get('node', a.nodeId);
      if (!node?.spec || node.spec.role === NodeRole.WORKER) return;
      this.#guardDemotion(tx, node);
      tx.update('node', { ...node, spec: { ...node.spec, role: NodeRole.WORKER } });
    });
  }

  // Services

  listServices(_: Record<string, never>): readonly ServiceCounts[] {
    return this.#view((tx) => tx.list('service').map((s) => counts(tx, s)));
  }

  getService(a: Ref): ServiceCounts {
    return this.#view((tx) => counts(tx, findByNameOrId(tx, 'service', a.ref)));
  }

  async createService(a: { readonly spec: ServiceSpec }): Promise<{ readonly id: string }> {
    validateServiceSpec(a.spec, this.#c.now());
    const id = newId();
    await this.#update((tx) => {
      const name = a.spec.annotations?.name ?? '';
      if (tx.by('service', 'name', name).length > 0) throw nameTaken('service', name);
      checkReferences(tx, a.spec);
      const endpoint = endpointOf(tx, a.spec, undefined);
      const jobStatus = nextJobStatus(a.spec, undefined, this.#c.now());
      tx.create('service', Service.create({ id, spec: a.spec, specVersion: { index: 1 }, endpoint, jobStatus }));
    });
    return { id };
  }

  async updateService(a: Versioned<ServiceSpec> & { readonly rollback: boolean }): Promise<void> {
    if (!a.rollback) validateServiceSpec(a.spec, this.#c.now());
    await this.#update((tx) => {
      const service = findByNameOrId(tx, 'service', a.ref);
      checkVersion('service', service, a.version);
      if (a.rollback && !service.previousSpec) {
        throw new SwarmtsError('failed-precondition', `service ${a.ref} does not have a previous spec`);
      }
      const spec = a.rollback ? (service.previousSpec ?? a.spec) : a.spec;
      if (spec.annotations?.name !== service.spec?.annotations?.name) {
        throw new SwarmtsError(
          'unsupported',
          'renaming services is not supported: create a new one and remove the old one',
        );
      }
      if (modeName(spec) !== modeName(service.spec)) {
        throw new SwarmtsError('unsupported', 'service mode change is not allowed: create a new service');
      }
      this.#putSpec(tx, service, spec, a.rollback);
    });
  }

  #putSpec(tx: WriteTx, service: Service, spec: ServiceSpec, rollback: boolean): void {
    checkReferences(tx, spec);
    const endpoint = endpointOf(tx, spec, service);
    const changed = !sameSpec(withoutScale(spec), withoutScale(service.spec));
    tx.update('service', {
      ...service,
      spec,
      endpoint,
      specVersion: changed ? { index: (service.specVersion?.index ?? 0) + 1 } : service.specVersion,
      previousSpec: service.spec,
      previousSpecVersion: service.specVersion,
      volumePins: isPinned({ ...service, spec }) ? service.volumePins : {},
      jobStatus: nextJobStatus(spec, service.jobStatus, this.#c.now(), isForced(spec, service.spec)),
      // What the user says now counts from now on.
      autoscaleStatus: replicasIn(spec) === replicasIn(service.spec) ? service.autoscaleStatus : undefined,
      updateStatus: rollback
        ? UpdateStatus.create({
            state: UpdateState.ROLLBACK_STARTED,
            startedAtMs: this.#c.now(),
            message: 'manually requested rollback',
          })
        : changed
          ? undefined
          : service.updateStatus,
    });
  }

  async removeService(a: Ref): Promise<void> {
    await this.#update((tx) => tx.remove('service', findByNameOrId(tx, 'service', a.ref).id));
  }

  explainService(a: Ref): {
    readonly serviceId: string;
    readonly nodes: readonly { readonly node: Node; readonly filters: readonly FilterVerdict[] }[];
  } {
    const service = this.#view((tx) => findByNameOrId(tx, 'service', a.ref));
    const sample = newTask(service, { slot: 1, nodeId: '' }, TaskState.RUNNING, this.#c.now());
    return { serviceId: service.id, nodes: this.#c.scheduling().explain(sample) };
  }

  /** Every node's verdicts for a task as it is. */
  explainTask(a: Ref): {
    readonly task: Task;
    readonly nodes: readonly { readonly node: Node; readonly filters: readonly FilterVerdict[] }[];
  } {
    const task = this.#view((tx) => findTask(tx, a.ref));
    return { task, nodes: this.#c.scheduling().explain(task) };
  }

  /** What storing the spec would do: to the service that is named, or as a new one with ref ''. */
  planService(a: Ref & { readonly spec: ServiceSpec }): ServicePlan {
    validateServiceSpec(a.spec, this.#c.now());
    return this.#view((tx) => {
      const service = a.ref === '' ? undefined : findByNameOrId(tx, 'service', a.ref);
      checkReferences(tx, a.spec);
      const endpoint = endpointOf(tx, a.spec, service);
      const specVersion = { index: (service?.specVersion?.index ?? 0) + 1 };
      const next = Service.create({ ...service, id: service?.id ?? newId(), spec: a.spec, specVersion, endpoint });
      const tasks = tx.list('task');
      const own = service ? tx.by('task', 'service', service.id) : [];
      const volumes = tx.list('volume');
      const nodes = tx.list('node');
      return planService({ service, next, tasks: own, nodes, placed: tasks, volumes, nowMs: this.#c.now() });
    });
  }

  /** Spreads the service evenly: tells which tasks are moved. */
  async rebalanceService(a: Ref): Promise<{ readonly movingTaskIds: readonly string[] }> {
    const nodes = this.#c.scheduling().nodes;
    return this.#update((tx) => {
      const service = findByNameOrId(tx, 'service', a.ref);
      if (!service.spec?.mode?.replicated)
        throw new SwarmtsError(
          'invalid-argument',
          `service ${a.ref} is not replicated: only such services can be rebalanced`,
        );
      const movingTaskIds = movesOf(tx, service, nodes).map((t) => t.id);
      if (movingTaskIds.length > 0) tx.update('service', { ...service, movingTaskIds });
      return { movingTaskIds };
    });
  }

  /** When a scheduled job ran and will run. Throws 'invalid-argument' for a service without schedule. */
  describeSchedule(a: Ref): ScheduleDescription {
    return this.#view((tx) => {
      const service = findByNameOrId(tx, 'service', a.ref);
      return describeSchedule(service, tx.by('task', 'service', service.id), this.#c.now());
    });
  }

  // Tasks

  /** `upToDate`: only those that their service would not replace. */
  listTasks(a: { readonly upToDate?: boolean }): readonly Task[] {
    return this.#view((tx) => {
      const all = tx.list('task').filter((t) => !t.spec?.attachment);
      if (!a.upToDate) return all;
      return all.filter((t) => {
        const service = tx.get('service', t.serviceId);
        return service !== undefined && !isDirty(service, t, tx.get('node', t.nodeId));
      });
    });
  }

  getTask(a: Ref): Task {
    return this.#view((tx) => findTask(tx, a.ref));
  }

  // Secrets and configs

  listSecrets(_: Record<string, never>): readonly Secret[] {
    return this.#view((tx) => tx.list('secret')).map(withoutPayload);
  }

  getSecret(a: Ref): Secret {
    return withoutPayload(this.#view((tx) => findByNameOrId(tx, 'secret', a.ref)));
  }

  async createSecret(a: { readonly spec: SecretSpec }): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createSecret(tx, a.spec) }));
  }

  async updateSecret(a: Versioned<SecretSpec>): Promise<void> {
    await this.#update((tx) => updateSecret(tx, a.ref, a.version, a.spec));
  }

  async removeSecret(a: Ref): Promise<void> {
    await this.#update((tx) => removeSecret(tx, a.ref));
  }

  listConfigs(_: Record<string, never>): readonly Config[] {
    return this.#view((tx) => tx.list('config'));
  }

  getConfig(a: Ref): Config {
    return this.#view((tx) => findByNameOrId(tx, 'config', a.ref));
  }

  async createConfig(a: { readonly spec: ConfigSpec }): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createConfig(tx, a.spec) }));
  }

  async updateConfig(a: Versioned<ConfigSpec>): Promise<void> {
    await this.#update((tx) => updateConfig(tx, a.ref, a.version, a.spec));
  }

  async removeConfig(a: Ref): Promise<void> {
    await this.#update((tx) => removeConfig(tx, a.ref));
  }

  /** A new version of a secret or config under its name. With `follow` the services that use it are updated to it. */
  async addPayloadVersion(a: {
    readonly kind: PayloadKind;
    readonly ref: string;
    readonly data: Uint8Array;
    readonly follow: boolean;
  }): Promise<NewVersion & { readonly services: readonly string[] }> {
    const made = await this.#update((tx) => addVersion(tx, a.kind, a.ref, a.data));
    if (!a.follow) return { ...made, services: [] };
    const users = this.#view((tx) => followers(tx, a.kind, made.id));
    for (const { id } of users) {
      await this.#update((tx) => {
        const service = tx.get('service', id);
        if (service?.spec) this.#putSpec(tx, service, followed(tx, a.kind, service.spec, made.id), false);
      });
    }
    return { ...made, services: users.map((s) => s.spec?.annotations?.name ?? s.id) };
  }

  // Volumes

  listVolumes(_: Record<string, never>): readonly Volume[] {
    return this.#view((tx) => tx.list('volume'));
  }

  getVolume(a: Ref): Volume {
    return this.#view((tx) => findByNameOrId(tx, 'volume', a.ref));
  }

  async createVolume(a: { readonly spec: VolumeSpec }): Promise<Volume> {
    const { id } = await this.#update((tx) => createVolume(tx, a.spec));
    return this.getVolume({ ref: id });
  }

  async updateVolume(a: Ref & { readonly version: number } & VolumeChange): Promise<void> {
    await this.#update((tx) => updateVolume(tx, a.ref, a.version, a));
  }

  async removeVolume(a: Ref & { readonly force: boolean }): Promise<void> {
    await this.#update((tx) => removeVolume(tx, a.ref, a.force));
  }

  // Networks

  listNetworks(_: Record<string, never>): readonly Network[] {
    return this.#view((tx) => tx.list('network'));
  }

  getNetwork(a: Ref): Network {
    return this.#view((tx) => findByNameOrId(tx, 'network', a.ref));
  }

  async createNetwork(a: { readonly spec: NetworkSpec }): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createNetwork(tx, a.spec).id }));
  }

  async removeNetwork(a: Ref): Promise<void> {
    await this.#update((tx) => removeNetwork(tx, a.ref));
  }

  /** Resolves when the allocator has given the container its addresses. 'resource-exhausted' when there are none. */
  async attachContainer(
    a: Parameters<typeof createAttachment>[1],
  ): Promise<{ readonly taskId: string; readonly attachment: NetworkAttachment }> {
    const taskId = await this.#update((tx) => createAttachment(tx, a, this.#c.now()));
    const task = await this.#untilAllocated(taskId);
    const attachment = task?.networks[0];
    if (attachment) return { taskId, attachment };
    await this.#update((tx) => removeAttachment(tx, a.nodeId, taskId));
    throw new SwarmtsError('resource-exhausted', task?.status?.err || `container ${a.containerName} was not attached`);
  }

  async detachContainer(a: { readonly nodeId: string; readonly taskId: string }): Promise<void> {
    await this.#update((tx) => removeAttachment(tx, a.nodeId, a.taskId));
  }

  /** The task as soon as it has addresses or the reason why not; undefined when it is gone. */
  #untilAllocated(taskId: string): Promise<Task | undefined> {
    const { store } = this.#c.raft;
    return new Promise((resolve) => {
      const look = (): boolean => {
        const task = store.get('task', taskId);
        if (task && task.networks.length === 0 && task.status?.err === '') return false;
        watch.close();
        timer.cancel();
        resolve(task);
        return true;
      };
      const watch = store.watch({ commit: look, restored: look });
      const timer = this.#c.clock.after(ALLOCATION_TIMEOUT_MS, () => {
        watch.close();
        resolve(store.get('task', taskId));
      });
      look();
    });
  }
}

export type OperationName = {
  [K in keyof Operations]: Operations[K] extends (a: never) => unknown ? K : never;
}[keyof Operations];
export type OperationArgs<K extends OperationName> = Parameters<Operations[K]>[0];
export type OperationResult<K extends OperationName> = Awaited<ReturnType<Operations[K]>>;

/** Operations by name, for those that come over the network: nothing else of the object can be called. */
export const operationNames: ReadonlySet<string> = new Set(
  Object.getOwnPropertyNames(Operations.prototype).filter((n) => n !== 'constructor'),
);

function theCluster(tx: ReadTx): Cluster {
  const cluster = tx.list('cluster')[0];
  if (!cluster) throw new SwarmtsError('unavailable', 'the swarm is being initialised, try again');
  return cluster;
}

/** A new key when autolock is turned on or rotation is asked for; none without autolock. */
function nextUnlockKey(cluster: Cluster, spec: ClusterSpec, rotate: boolean): Uint8Array {
  const on = spec.encryption?.autoLockManagers ?? false;
  if (rotate && !on) throw new SwarmtsError('failed-precondition', 'cannot rotate because autolock is not turned on');
  if (!on) return new Uint8Array(0);
  return rotate || cluster.unlockKey.length === 0 ? newUnlockKey() : cluster.unlockKey;
}

function counts(tx: ReadTx, service: Service): ServiceCounts {
  const tasks = tx.by('task', 'service', service.id);
  const up = (t: Task) => {
    const state = tx.get('node', t.nodeId)?.status?.state;
    return state !== undefined && state !== NodeState.DOWN;
  };
  const running = tasks.filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING && up(t)).length;
  if (isJob(service)) return { service, runningTasks: running, ...jobCounts(service, tasks) };
  const desired = service.spec?.mode?.replicated ? replicasOf(service) : tasks.filter(isWanted).length;
  return { service, runningTasks: running, desiredTasks: desired, completedTasks: 0 };
}

/** Of the current iteration: tasks that are to run at once (replicated), or still have to complete (global). */
function jobCounts(service: Service, tasks: readonly Task[]): Pick<ServiceCounts, 'desiredTasks' | 'completedTasks'> {
  const mine = tasks.filter((t) => isOfIteration(service, t));
  const completedTasks = mine.filter((t) => observedState(t) === TaskState.COMPLETE).length;
  const open = mine.filter((t) => isWanted(t) && observedState(t) !== TaskState.COMPLETE).length;
  return { desiredTasks: service.spec?.mode?.replicatedJob?.maxConcurrent ?? open, completedTasks };
}

const replicasIn = (spec: ServiceSpec | undefined) => spec?.mode?.replicated?.replicas;

function isForced(spec: ServiceSpec, old: ServiceSpec | undefined): boolean {
  return (spec.task?.forceUpdate ?? 0) !== (old?.task?.forceUpdate ?? 0);
}

function modeName(spec: ServiceSpec | undefined): string {
  return Object.entries(spec?.mode ?? {}).find(([, m]) => m !== undefined)?.[0] ?? '';
}

/** Scaling alone is no new version of the tasks. */
function withoutScale(spec: ServiceSpec | undefined): unknown {
  if (!spec) return undefined;
  return { ...spec, mode: spec.mode?.replicated ? 'replicated' : spec.mode };
}

/** With the open ports chosen; the VIPs stay, and the allocator brings them in line with the spec. */
function endpointOf(tx: ReadTx, spec: ServiceSpec, service: Service | undefined): Endpoint {
  const others = tx.list('service').filter((s) => s.id !== service?.id);
  if ((spec.endpoint?.ports ?? []).some(isIngress) && !ingressNetwork(tx))
    throw new SwarmtsError(
      'failed-precondition',
      'service needs ingress network, but no ingress network is present: docker network create -d overlay --ingress ingress',
    );
  const ports = assignPorts(spec, service?.endpoint?.ports ?? [], others);
  return Endpoint.create({ spec: spec.endpoint, ports, virtualIps: service?.endpoint?.virtualIps ?? [] });
}

/** Secrets, configs and networks that the spec names must exist. */
function checkReferences(tx: ReadTx, spec: ServiceSpec): void {
  const c = spec.task?.container;
  for (const r of c?.secrets ?? []) {
    if (nameOfVersion(tx.get('secret', r.secretId)) !== r.secretName)
      throw new SwarmtsError('invalid-argument', `secret not found: ${r.secretName || r.secretId}`);
  }
  for (const r of c?.configs ?? []) {
    if (nameOfVersion(tx.get('config', r.configId)) !== r.configName)
      throw new SwarmtsError('invalid-argument', `config not found: ${r.configName || r.configId}`);
  }
  for (const n of spec.task?.networks ?? []) {
    if (isNodeNetwork(n.target)) continue;
    const network = findByNameOrId(tx, 'network', n.target);
    if (network.spec?.ingress) {
      throw new SwarmtsError('invalid-argument', 'Service cannot be explicitly attached to the ingress network');
    }
    if (n.addresses.length > 0) checkFixedAddresses(spec, network, n.addresses);
  }
}

/** An address belongs to one task at a time, so a service with one has one task, which stops before its successor starts. */
function checkFixedAddresses(spec: ServiceSpec, network: Network, addresses: readonly string[]): void {
  const name = network.spec?.annotations?.name ?? network.id;
  const [first = ''] = addresses;
  if ((spec.mode?.replicated?.replicas ?? 0) > 1 || !spec.mode?.replicated)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: a fixed address is for a replicated service of one replica`,
    );
  if (spec.update?.order === UpdateOrder.START_FIRST)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: with a fixed address the update order must be stop-first`,
    );
  try {
    const pools = (network.ipam?.configs ?? []).map((c) => SubnetPool.of(c));
    allocateAddresses(pools, 'asked', addresses);
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `network ${name}: ${messageOf(e)}`);
  }
}
