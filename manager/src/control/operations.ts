/**
 * The control operations, run on the leader: each takes one plain argument object, so that a follower can forward it
 * under its name. Reads see everything that was committed before they were asked.
 */
import { type Clock, newId, SwarmtsError } from '@swarmts/lib';
import {
  type ClientCertificateRecord,
  type Cluster,
  type Config,
  type ConfigSpec,
  featureLevels,
  type Network,
  type NetworkAttachment,
  type NetworkSpec,
  type Node,
  NodeSpec,
  type Secret,
  type SecretSpec,
  Service,
  type ServiceSpec,
  type Task,
  TaskState,
  type Volume,
  type VolumeSpec,
} from '@swarmts/proto';
import type { FilterVerdict } from '@swarmts/scheduler';
import { endpointOf } from '../allocator/service-endpoint.js';
import { findClients, listClients, revokeClient } from '../ca/client-certificates.js';
import type { ExternalCas } from '../ca/external-ca.js';
import { unlockKeyText } from '../ca/unlock-key.js';
import { requireLevel } from '../feature-level.js';
import { isDirty, newTask } from '../orchestrator/new-task.js';
import { movesOf } from '../orchestrator/rebalancer.js';
import type { RaftGroup } from '../raft/raft-group.js';
import type { SchedulingLoop } from '../scheduling/scheduling-loop.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { type ClusterChange, theCluster, updateCluster } from './cluster-operations.js';
import { checkVersion } from './conflicts.js';
import { describeSchedule, type ScheduleDescription } from './describe-schedule.js';
import { findByNameOrId, findNode, findTask } from './find.js';
import {
  createAttachment,
  createNetwork,
  removeAttachment,
  removeNetwork,
  renameAttachment,
} from './network-operations.js';
import { nextRoot, withRootsOfExternalCas } from './next-root.js';
import {
  demoteLeaving,
  orphanTask,
  removableNode,
  removeNode,
  tasksToOrphanBefore,
  updateNode,
  withReachability,
} from './node-operations.js';
import {
  addVersion,
  createConfig,
  createSecret,
  followed,
  followers,
  type NewVersion,
  type PayloadKind,
  removePayload,
  updateConfig,
  updateSecret,
  versionsToRemoveBefore,
  withoutPayload,
} from './payload-operations.js';
import { planService, type ServicePlan } from './plan-service.js';
import { createService, putSpec, type ServiceCounts, serviceCounts, updateService } from './service-operations.js';
import { referring } from './service-references.js';
import { validateClusterSpec } from './validate-cluster.js';
import { validateServiceSpec } from './validate-service.js';
import { createVolume, removeVolume, updateVolume, type VolumeChange } from './volume-operations.js';

export interface ControlContext {
  readonly raft: Pick<RaftGroup, 'store' | 'status' | 'isReachable'>;
  readonly scheduling: () => SchedulingLoop;
  readonly clock: Clock;
  readonly now: () => number;
  readonly externalCas: ExternalCas;
  /** The manager stops. */
  readonly signal: AbortSignal;
}

interface Ref {
  readonly ref: string;
}

/** Under an id that was chosen before: asked for once more, because the answer got lost, it is there already. */
interface New<S> {
  readonly spec: S;
  readonly id?: string;
}

interface Versioned<S> extends Ref {
  readonly version: number;
  readonly spec: S;
}

/** The allocator answers within milliseconds; a leader that is stepping down does not. */
const ALLOCATION_TIMEOUT_MS = 5_000;

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

  /** For more than one transaction takes; the first failure ends it. */
  #batch(ids: readonly string[], fn: (tx: WriteTx, id: string) => void): Promise<void> {
    return this.#c.raft.store.batch(ids, fn, (_, e) => {
      throw e;
    });
  }

  // Cluster

  getCluster(_: Record<string, never>): Cluster {
    return this.#view(theCluster);
  }

  async updateCluster(
    a: ClusterChange & {
      /** A root of the user's own to go over to; without key an external CA has it. */
      readonly signingCa?: { readonly certPem: string; readonly keyPem: string };
    },
  ): Promise<void> {
    validateClusterSpec(a.spec);
    const cluster = this.#view(theCluster);
    // What others have changed meanwhile is refused here already, before an external CA is asked.
    checkVersion('cluster', cluster, a.version);
    const spec = withRootsOfExternalCas(cluster, a.spec);
    if ((spec.ca?.externalCas.length ?? 0) > 0)
      this.#view((tx) => requireLevel(tx, featureLevels.externalCas, 'external CAs'));
    const { externalCas: external, signal } = this.#c;
    const rotation = await nextRoot({ cluster, spec, own: a.signingCa, external, signal, nowMs: this.#c.now() });
    await this.#update((tx) => updateCluster(tx, { ...a, spec, rotation }));
  }

  /** As people type it; '' without autolock. */
  getUnlockKey(_: Record<string, never>): string {
    const { unlockKey } = this.#view(theCluster);
    return unlockKey.length === 0 ? '' : unlockKeyText(unlockKey);
  }

  // Clients of the API

  listClientCertificates(_: Record<string, never>): readonly ClientCertificateRecord[] {
    return this.#view((tx) => listClients(tx, this.#c.now()));
  }

  /** By name or serial number: what was taken back. */
  async revokeClientCertificates(a: Ref): Promise<readonly ClientCertificateRecord[]> {
    const nowMs = this.#c.now();
    const found = this.#view((tx) => findClients(tx, a.ref, nowMs));
    await this.#batch(
      found.map((r) => r.serial),
      (tx, serial) => revokeClient(tx, serial, nowMs),
    );
    return found.map((r) => ({ ...r, revokedAtMs: r.revokedAtMs || nowMs }));
  }

  // Nodes

  listNodes(_: Record<string, never>): readonly Node[] {
    return this.#view((tx) => tx.list('node')).map((n) => withReachability(n, this.#c.raft));
  }

  getNode(a: Ref): Node {
    return withReachability(
      this.#view((tx) => findNode(tx, a.ref)),
      this.#c.raft,
    );
  }

  async updateNode(a: Versioned<NodeSpec>): Promise<void> {
    await this.#update((tx) => updateNode(tx, a.ref, a.version, NodeSpec.create(a.spec), this.#c.raft));
  }

  async removeNode(a: Ref & { readonly force: boolean }): Promise<void> {
    const early = this.#view((tx) => tasksToOrphanBefore(tx, removableNode(tx, a.ref, a.force).id));
    await this.#batch(early, (tx, id) => orphanTask(tx, id, this.#c.now()));
    await this.#update((tx) => removeNode(tx, a.ref, a.force, this.#c.now()));
  }

  /** A manager leaves in order: demoted first, so that Raft lets it go; its record stays as a worker's that is down. */
  async managerLeaves(a: { readonly nodeId: string }): Promise<void> {
    await this.#update((tx) => demoteLeaving(tx, a.nodeId, this.#c.raft));
  }

  // Services

  /** Without counts they are 0: counting looks at every task. */
  listServices(a: { readonly withCounts?: boolean }): readonly ServiceCounts[] {
    const none = { runningTasks: 0, desiredTasks: 0, completedTasks: 0 };
    const of = (tx: ReadTx, service: Service) =>
      a.withCounts === false ? { service, ...none } : serviceCounts(tx, service);
    return this.#view((tx) => tx.list('service').map((s) => of(tx, s)));
  }

  getService(a: Ref): ServiceCounts {
    return this.#view((tx) => serviceCounts(tx, findByNameOrId(tx, 'service', a.ref)));
  }

  async createService(a: New<ServiceSpec>): Promise<{ readonly id: string }> {
    validateServiceSpec(a.spec, this.#c.now());
    return this.#update((tx) => ({ id: createService(tx, a.spec, this.#c.now(), a.id) }));
  }

  async updateService(a: Versioned<ServiceSpec> & { readonly rollback: boolean }): Promise<void> {
    if (!a.rollback) validateServiceSpec(a.spec, this.#c.now());
    await this.#update((tx) => updateService(tx, { ...a, nowMs: this.#c.now() }));
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
      const spec = referring(tx, a.spec);
      const endpoint = endpointOf(tx, spec, service);
      const specVersion = { index: (service?.specVersion?.index ?? 0) + 1 };
      const next = Service.create({ ...service, id: service?.id ?? newId(), spec, specVersion, endpoint });
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

  /** `upToDate`: only those that their service would not replace. `withAttachments`: also what stands for containers of no service. */
  listTasks(a: { readonly upToDate?: boolean; readonly withAttachments?: boolean }): readonly Task[] {
    return this.#view((tx) => {
      const all = tx.list('task').filter((t) => a.withAttachments || !t.spec?.attachment);
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

  async createSecret(a: New<SecretSpec>): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createSecret(tx, a.spec, a.id) }));
  }

  async updateSecret(a: Versioned<SecretSpec>): Promise<void> {
    await this.#update((tx) => updateSecret(tx, a.ref, a.version, a.spec));
  }

  async removeSecret(a: Ref): Promise<void> {
    await this.#removePayload('secret', a.ref);
  }

  listConfigs(_: Record<string, never>): readonly Config[] {
    return this.#view((tx) => tx.list('config'));
  }

  getConfig(a: Ref): Config {
    return this.#view((tx) => findByNameOrId(tx, 'config', a.ref));
  }

  async createConfig(a: New<ConfigSpec>): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createConfig(tx, a.spec, a.id) }));
  }

  async updateConfig(a: Versioned<ConfigSpec>): Promise<void> {
    await this.#update((tx) => updateConfig(tx, a.ref, a.version, a.spec));
  }

  async removeConfig(a: Ref): Promise<void> {
    await this.#removePayload('config', a.ref);
  }

  /** There may be more versions than one transaction removes: the oldest go first. */
  async #removePayload(kind: PayloadKind, ref: string): Promise<void> {
    const early = this.#view((tx) => versionsToRemoveBefore(tx, kind, ref));
    await this.#batch(early, (tx, id) => tx.get(kind, id) && tx.remove(kind, id));
    await this.#update((tx) => removePayload(tx, kind, ref));
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
        if (service?.spec)
          putSpec(tx, service, followed(tx, a.kind, service.spec, made.id), { rollback: false, nowMs: this.#c.now() });
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

  async createVolume(a: New<VolumeSpec>): Promise<Volume> {
    const { id } = await this.#update((tx) => createVolume(tx, a.spec, a.id));
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

  async createNetwork(a: New<NetworkSpec>): Promise<{ readonly id: string }> {
    return this.#update((tx) => ({ id: createNetwork(tx, a.spec, a.id).id }));
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

  async renameContainer(a: Parameters<typeof renameAttachment>[1]): Promise<void> {
    await this.#update((tx) => renameAttachment(tx, a));
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

/** Reads of the store and nothing else: every manager can answer them once it has what was committed before they were asked. */
export const storeReads: ReadonlySet<string> = new Set<OperationName>([
  'getCluster',
  'listServices',
  'getService',
  'listTasks',
  'getTask',
  'listSecrets',
  'getSecret',
  'listConfigs',
  'getConfig',
  'listVolumes',
  'getVolume',
  'listNetworks',
  'getNetwork',
  'describeSchedule',
  'listClientCertificates',
]);

/** What is made under an id that may be chosen before: such an operation may be repeated when its outcome is not known. */
export const creations: ReadonlySet<string> = new Set<OperationName>([
  'createService',
  'createSecret',
  'createConfig',
  'createVolume',
  'createNetwork',
]);

/** Operations by name, for those that come over the network: nothing else of the object can be called. */
export const operationNames: ReadonlySet<string> = new Set(
  Object.getOwnPropertyNames(Operations.prototype).filter((n) => n !== 'constructor'),
);
