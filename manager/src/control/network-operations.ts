/** Creating and removing swarm networks, and addresses for containers that a node runs by itself. Words: Docker's. */
import { newId, SwarmtsError } from '@swarmts/lib';
import {
  Annotations,
  holdsAddresses,
  IpamOptions,
  isEncrypted,
  isLive,
  isNodeLocal,
  mtuProblem,
  Network,
  NetworkAttachmentConfig,
  type NetworkSpec,
  refuseOwnConfiguration,
  type Service,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
  validateServiceName,
} from '@swarmts/proto';
import { ingressNetwork, isNodeNetwork } from '../allocator/attachments.js';
import { allocateNetwork } from '../allocator/network-allocation.js';
import { isIngress } from '../allocator/published-ports.js';
import { machineAddressesOf } from '../machine-addresses.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { findByNameOrId } from './find.js';

/** All but overlay are made by each node for itself. */
const DRIVERS: readonly string[] = ['overlay', 'bridge', 'macvlan'];

export function createNetwork(tx: WriteTx, spec: NetworkSpec, id = newId()): Network {
  const known = tx.get('network', id);
  if (known) return known;
  validateNetworkSpec(spec);
  const name = spec.annotations?.name ?? '';
  if (isNodeNetwork(name) || tx.by('network', 'name', name).length > 0) {
    throw new SwarmtsError('already-exists', `network with name ${name} already exists`);
  }
  if (spec.ingress && ingressNetwork(tx)) {
    throw new SwarmtsError('already-exists', 'an ingress network is already present: remove it first');
  }
  if (isEncrypted(spec)) requireEncryption(tx, name);
  const network = Network.create({
    id,
    spec,
    ...(isNodeLocal({ spec }) ? ofNodes(spec) : allocateNetwork(spec, viewOf(tx))),
  });
  tx.create('network', network);
  return network;
}

/** The nodes choose its subnets, or have them from their own configuration. */
function ofNodes({ driver, ipam }: NetworkSpec): Pick<Network, 'driverState' | 'ipam'> {
  return { driverState: driver, ipam: IpamOptions.create({ driver: ipam?.driver }) };
}

/** Nothing is sent in clear that was to be encrypted: a node that cannot refuses its tasks, and without any there is no network. */
function requireEncryption(tx: ReadTx, name: string): void {
  if (tx.list('node').some((n) => n.description?.dataPathEncryption)) return;
  throw new SwarmtsError(
    'failed-precondition',
    `network ${name} cannot be encrypted: no node has the means for it; install the package wireguard-go on the nodes (there must be a /dev/net/tun), or a kernel with WireGuard`,
  );
}

function viewOf(tx: ReadTx) {
  const nodeAddresses = tx.list('node').flatMap(machineAddressesOf);
  return { networks: tx.list('network'), leaving: leavingNetworks(tx), cluster: tx.list('cluster')[0], nodeAddresses };
}

/** On a node where such a task still stops, another network cannot have the same number, nor should it have the same addresses. */
function leavingNetworks(tx: ReadTx): readonly Network[] {
  const found = new Map<string, Network>();
  for (const t of tx.list('task')) {
    if (!holdsAddresses(t)) continue;
    for (const { network } of t.networks) if (network && !tx.get('network', network.id)) found.set(network.id, network);
  }
  return [...found.values()];
}

function validateNetworkSpec(spec: NetworkSpec): void {
  validateServiceName(spec.annotations?.name ?? '');
  const mtu = mtuProblem(spec);
  if (mtu !== undefined) throw new SwarmtsError('invalid-argument', mtu);
  validateDriver(spec);
  if (spec.ingress && spec.attachable) {
    throw new SwarmtsError(
      'invalid-argument',
      'an ingress network cannot be attached to by containers: leave out --attachable',
    );
  }
  if (spec.ingress && spec.internal) {
    throw new SwarmtsError('invalid-argument', 'an ingress network cannot be internal');
  }
  const ipam = spec.ipam?.driver?.name ?? '';
  if (ipam !== '' && ipam !== 'default')
    throw new SwarmtsError('unsupported', `IPAM driver ${ipam} is not supported: use default`);
}

function validateDriver(spec: NetworkSpec): void {
  const driver = spec.driver?.name || 'overlay';
  const name = spec.annotations?.name ?? '';
  if (!DRIVERS.includes(driver)) {
    const drivers = DRIVERS.join(', ');
    throw new SwarmtsError(
      'unsupported',
      `driver ${driver} makes no swarm network: use one of ${drivers}, or --scope local`,
    );
  }
  if (driver === 'overlay') {
    if (spec.configFrom === '') return;
    throw new SwarmtsError(
      'invalid-argument',
      `--config-from is for networks that each node makes for itself: leave it out, or use --driver bridge or macvlan`,
    );
  }
  refuseOwnConfiguration(spec);
  if (driver === 'macvlan' && spec.configFrom === '' && !spec.driver?.options.parent) {
    throw new SwarmtsError(
      'invalid-argument',
      `macvlan network ${name} needs a device of every node: -o parent=DEVICE, or --config-from with a --config-only network on each of them`,
    );
  }
}

export function removeNetwork(tx: WriteTx, ref: string): void {
  const network = findByNameOrId(tx, 'network', ref);
  const name = network.spec?.annotations?.name ?? '';
  const user = tx.list('service').find((s) => usesNetwork(s, network, name));
  if (user) {
    const service = user.spec?.annotations?.name;
    throw new SwarmtsError(
      'failed-precondition',
      network.spec?.ingress
        ? `ingress network cannot be removed because service ${service} depends on it`
        : `network ${name} is in use by service ${service} (${user.id})`,
    );
  }
  const task = tx.list('task').find((t) => isLive(t) && isHeldBy(tx, t) && isOn(t, network));
  if (task) throw new SwarmtsError('failed-precondition', `network ${name} is in use by ${holderOf(task)}`);
  tx.remove('network', network.id);
}

const isOn = (t: Task, network: Network) => t.networks.some((a) => a.network?.id === network.id);

/** A container's, or one that an update has not come to yet. What runs of a service that is removed is about to stop. */
function isHeldBy(tx: ReadTx, t: Task): boolean {
  return t.spec?.attachment !== undefined || tx.get('service', t.serviceId) !== undefined;
}

function holderOf(t: Task): string {
  const { attachment } = t.spec ?? {};
  return attachment ? `container ${attachment.containerName} of node ${t.nodeId}` : `task ${t.id}`;
}

function usesNetwork(s: Service, network: Network, name: string): boolean {
  if (network.spec?.ingress) return (s.endpoint?.ports ?? []).some(isIngress);
  return (s.spec?.task?.networks ?? []).some((n) => n.target === network.id || n.target === name);
}

/** A task that stands for a plain container on its node: it gets its addresses from the allocator like any other. */
export function createAttachment(
  tx: WriteTx,
  a: {
    readonly nodeId: string;
    readonly network: string;
    readonly containerId: string;
    readonly containerName: string;
    readonly addresses: readonly string[];
    readonly aliases: readonly string[];
  },
  nowMs: number,
): string {
  const network = findByNameOrId(tx, 'network', a.network);
  if (!network.spec?.attachable) {
    throw new SwarmtsError(
      'permission-denied',
      `Could not attach to network ${a.network}: rpc error: code = PermissionDenied desc = network ${network.spec?.annotations?.name} not manually attachable`,
    );
  }
  const known = tx
    .by('task', 'node', a.nodeId)
    .find((t) => t.spec?.attachment?.containerId === a.containerId && t.spec.networks[0]?.target === network.id);
  if (known && isLive(known)) return known.id;
  const { addresses, aliases } = a;
  const task = Task.create({
    id: newId(),
    nodeId: a.nodeId,
    annotations: Annotations.create({ name: a.containerName }),
    spec: TaskSpec.create({
      attachment: { containerId: a.containerId, containerName: a.containerName },
      networks: [NetworkAttachmentConfig.create({ target: network.id, addresses, aliases })],
    }),
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state: TaskState.NEW, timestampMs: nowMs, appliedAtMs: nowMs, message: 'created' }),
  });
  tx.create('task', task);
  return task.id;
}

/** Others find the node's own container by another name from now on; one that is gone is no error. */
export function renameAttachment(
  tx: WriteTx,
  a: { readonly nodeId: string; readonly taskId: string; readonly containerName: string },
): void {
  const task = tx.get('task', a.taskId);
  const known = task?.spec?.attachment;
  if (!task?.spec || !known || task.nodeId !== a.nodeId || known.containerName === a.containerName) return;
  tx.update('task', {
    ...task,
    annotations: Annotations.create({ ...task.annotations, name: a.containerName }),
    spec: { ...task.spec, attachment: { ...known, containerName: a.containerName } },
  });
}

/** Only the node itself takes its own container off; one that is gone is no error. */
export function removeAttachment(tx: WriteTx, nodeId: string, taskId: string): void {
  const task = tx.get('task', taskId);
  if (task?.spec?.attachment && task.nodeId === nodeId) tx.remove('task', taskId);
}
