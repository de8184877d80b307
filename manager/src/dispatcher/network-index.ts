/**
 * Who is on which network, on the leader: endpoints, services and nodes by network, kept in step with the store's changes. From
 * it the dispatcher tells each node what it has to know of the networks that it takes part in.
 */
import {
  containerName,
  isEncrypted,
  isNodeLocal,
  isTerminal,
  isWanted,
  type Network,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NodeState,
  observedState,
  type PortConfig,
  preferLocalPorts,
  type Service,
  type Task,
  TaskState,
  understood,
} from '@swarmts/proto';
import { ingressNetwork, overlaysOfService, wantedNetworks } from '../allocator/attachments.js';
import { isIngress, targetOf } from '../allocator/published-ports.js';
import type { ReadTx } from '../store/transaction.js';

const SHORT_ID_DIGITS = 12;

/** What has changed on one network since nodes were last told. */
export interface TouchedNetwork {
  readonly endpoints: Set<string>;
  readonly services: Set<string>;
  readonly peers: Set<string>;
}

export class NetworkIndex {
  readonly #tasks = new Map<string, Set<string>>();
  readonly #services = new Map<string, Set<string>>();
  /** Number of endpoints by network and node. */
  readonly #nodes = new Map<string, Map<string, number>>();
  readonly #networksOfTask = new Map<string, { readonly nodeId: string; readonly networkIds: readonly string[] }>();
  #touched = new Map<string, TouchedNetwork>();

  rebuild(tx: ReadTx): void {
    for (const s of tx.list('service')) this.onService(tx, s, false);
    for (const t of tx.list('task')) this.onTask(t, false);
    this.#touched.clear();
  }

  onTask(task: Task, removed: boolean): void {
    const before = this.#networksOfTask.get(task.id);
    const now = removed || !isEndpoint(task) ? [] : overlaysOf(task);
    if (!before && now.length === 0) return;
    for (const id of before?.networkIds ?? []) {
      if (before && (!now.includes(id) || before.nodeId !== task.nodeId)) this.#leave(id, before.nodeId, task.id);
    }
    for (const id of now) {
      if (!before?.networkIds.includes(id) || before.nodeId !== task.nodeId) this.#join(id, task.nodeId, task.id);
      this.#touch(id).endpoints.add(task.id);
    }
    if (now.length === 0) this.#networksOfTask.delete(task.id);
    else this.#networksOfTask.set(task.id, { nodeId: task.nodeId, networkIds: now });
  }

  onService(tx: ReadTx, service: Service, removed: boolean): void {
    const now = new Set(removed ? [] : overlaysOfService(tx, service).map((n) => n.id));
    for (const [networkId, services] of this.#services) {
      if (!services.has(service.id) || now.has(networkId)) continue;
      services.delete(service.id);
      this.#touch(networkId).services.add(service.id);
    }
    for (const networkId of now) {
      setIn(this.#services, networkId).add(service.id);
      this.#touch(networkId).services.add(service.id);
    }
  }

  /** The node's address, number or whether it is down has changed. */
  onNode(tx: ReadTx, nodeId: string): void {
    for (const [networkId, nodes] of this.#nodes) if (nodes.has(nodeId)) this.#touch(networkId).peers.add(nodeId);
    const ingress = ingressNetwork(tx);
    if (ingress) this.#touch(ingress.id).peers.add(nodeId);
    for (const t of tx.by('task', 'node', nodeId)) {
      for (const id of this.#networksOfTask.get(t.id)?.networkIds ?? []) this.#touch(id).endpoints.add(t.id);
    }
  }

  /** What has changed since the last call. */
  takeTouched(): ReadonlyMap<string, TouchedNetwork> {
    const touched = this.#touched;
    this.#touched = new Map();
    return touched;
  }

  /** The networks that a node takes part in: those of its endpoints, and the ingress network, which every node serves. */
  networksOf(tx: ReadTx, nodeId: string): ReadonlySet<string> {
    const ids = new Set<string>();
    const ingress = ingressNetwork(tx);
    if (ingress) ids.add(ingress.id);
    for (const [networkId, nodes] of this.#nodes) if (nodes.has(nodeId)) ids.add(networkId);
    return ids;
  }

  /** The network as stored, or as a task that is still on it remembers it. */
  network(tx: ReadTx, networkId: string): Network | undefined {
    const stored = tx.get('network', networkId);
    if (stored) return stored;
    for (const id of this.#tasks.get(networkId) ?? []) {
      const known = tx.get('task', id)?.networks.find((a) => a.network?.id === networkId);
      if (known) return known.network;
    }
    return undefined;
  }

  taskIds(networkId: string): Iterable<string> {
    return this.#tasks.get(networkId) ?? [];
  }

  serviceIds(networkId: string): Iterable<string> {
    return this.#services.get(networkId) ?? [];
  }

  peerIds(tx: ReadTx, networkId: string): Iterable<string> {
    if (tx.get('network', networkId)?.spec?.ingress) return tx.list('node').map((n) => n.id);
    return this.#nodes.get(networkId)?.keys() ?? [];
  }

  endpoint(tx: ReadTx, networkId: string, taskId: string): NetworkEndpoint | undefined {
    const task = tx.get('task', taskId);
    const attachment = task?.networks.find((a) => a.network?.id === networkId);
    if (!task || !attachment || !this.#tasks.get(networkId)?.has(taskId)) return undefined;
    // Nobody is to wait for one that cannot answer; it comes back with its node.
    if (tx.get('node', task.nodeId)?.status?.state === NodeState.DOWN) return undefined;
    return NetworkEndpoint.create({
      taskId,
      nodeId: task.nodeId,
      serviceId: task.serviceId,
      name: task.spec?.attachment?.containerName ?? containerName(task),
      addresses: attachment.addresses.map(withoutBits),
      aliases: task.spec?.attachment ? attachment.aliases : ownNames(task),
      ready: observedState(task) === TaskState.RUNNING && isWanted(task),
    });
  }

  service(tx: ReadTx, networkId: string, serviceId: string): NetworkService | undefined {
    const service = tx.get('service', serviceId);
    if (!service || !this.#services.get(networkId)?.has(serviceId)) return undefined;
    const network = tx.get('network', networkId);
    const config = wantedNetworks(tx, service.spec?.task).find((w) => w.network.id === networkId)?.config;
    // The mesh goes to tasks alone: nothing is translated from the VIP that a service has there.
    const vips = network?.spec?.ingress ? [] : (service.endpoint?.virtualIps ?? []);
    return NetworkService.create({
      serviceId,
      name: service.spec?.annotations?.name ?? '',
      mode: service.spec?.endpoint?.mode ?? 0,
      virtualIps: vips.filter((v) => v.networkId === networkId).map((v) => withoutBits(v.addr)),
      aliases: config?.aliases ?? [],
      ports: network?.spec?.ingress ? ingressPorts(service) : [],
    });
  }

  peer(tx: ReadTx, networkId: string, nodeId: string): NetworkPeer | undefined {
    const node = tx.get('node', nodeId);
    const spec = this.network(tx, networkId)?.spec;
    const takesPart = spec?.ingress || this.#nodes.get(networkId)?.has(nodeId);
    const addr = node?.status?.addr ?? '';
    if (!node || !takesPart || addr === '' || node.dataPathIndex === 0) return undefined;
    const keys = isEncrypted(spec) ? (node.description?.dataPathKeys ?? []) : [];
    return NetworkPeer.create({ nodeId, addr, index: node.dataPathIndex, keys });
  }

  #join(networkId: string, nodeId: string, taskId: string): void {
    setIn(this.#tasks, networkId).add(taskId);
    const nodes = this.#nodes.get(networkId) ?? new Map<string, number>();
    nodes.set(nodeId, (nodes.get(nodeId) ?? 0) + 1);
    this.#nodes.set(networkId, nodes);
    this.#touch(networkId).peers.add(nodeId);
  }

  #leave(networkId: string, nodeId: string, taskId: string): void {
    this.#tasks.get(networkId)?.delete(taskId);
    if (this.#tasks.get(networkId)?.size === 0) this.#tasks.delete(networkId);
    const nodes = this.#nodes.get(networkId);
    const count = (nodes?.get(nodeId) ?? 1) - 1;
    if (count > 0) nodes?.set(nodeId, count);
    else nodes?.delete(nodeId);
    if (nodes?.size === 0) this.#nodes.delete(networkId);
    const touched = this.#touch(networkId);
    touched.endpoints.add(taskId);
    touched.peers.add(nodeId);
  }

  #touch(networkId: string): TouchedNetwork {
    const known = this.#touched.get(networkId);
    if (known) return known;
    const fresh: TouchedNetwork = { endpoints: new Set(), services: new Set(), peers: new Set() };
    this.#touched.set(networkId, fresh);
    return fresh;
  }
}

/** From its assignment until it has ended: what it says while it starts has to arrive, too. */
function isEndpoint(t: Task): boolean {
  const state = observedState(t);
  return t.networks.length > 0 && t.nodeId !== '' && state >= TaskState.ASSIGNED && !isTerminal(state);
}

/** What a task calls itself, as with Docker: its container's short id, which is its hostname, or the one that was given it. */
function ownNames(t: Task): readonly string[] {
  const id = t.status?.container?.containerId.slice(0, SHORT_ID_DIGITS) ?? '';
  const hostname = t.spec?.container?.hostname ?? '';
  // Templates are filled in on the node.
  return [id, hostname.includes('{{') ? '' : hostname].filter((name) => name !== '');
}

function ingressPorts(s: Service): readonly PortConfig[] {
  const wishes = understood(() => preferLocalPorts(s.spec?.annotations?.labels ?? {}), new Set<string>());
  return (s.endpoint?.ports ?? []).filter(isIngress).map((p) => ({ ...p, preferLocal: wishes.has(targetOf(p)) }));
}

/** Of what a node has by itself no other one has to know anything. */
function overlaysOf({ networks }: Task): readonly string[] {
  return networks.flatMap(({ network }) => (network && !isNodeLocal(network) ? [network.id] : []));
}

function withoutBits(address: string): string {
  return address.split('/')[0] ?? address;
}

function setIn(map: Map<string, Set<string>>, key: string): Set<string> {
  const set = map.get(key) ?? new Set<string>();
  map.set(key, set);
  return set;
}
