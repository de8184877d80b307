/** Which networks services and tasks are on, and what they get there. Pure but for the pools, which it draws from. */
import { isSwarmtsError } from '@swarmts/lib';
import {
  EndpointMode,
  EndpointVip,
  isNodeLocal,
  type Network,
  NetworkAttachment,
  type NetworkAttachmentConfig,
  type Service,
  type Task,
  type TaskSpec,
} from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import type { NetworkPools } from './network-pools.js';
import { vipsByNetwork } from './network-pools.js';
import { isIngress } from './published-ports.js';

/** Networks that every node has by itself: nothing is allocated on them. */
const NODE_NETWORKS: ReadonlySet<string> = new Set(['host', 'none', 'bridge']);

export function isNodeNetwork(target: string): boolean {
  return NODE_NETWORKS.has(target);
}

export interface WantedNetwork {
  readonly network: Network;
  readonly config: NetworkAttachmentConfig | undefined;
}

/** The swarm networks that a spec names; one that is gone is left out (it cannot be removed while it is in use). */
export function wantedNetworks(tx: ReadTx, spec: TaskSpec | undefined): readonly WantedNetwork[] {
  const found = new Map<string, WantedNetwork>();
  for (const config of spec?.networks ?? []) {
    if (isNodeNetwork(config.target)) continue;
    const network = tx.get('network', config.target) ?? tx.by('network', 'name', config.target)[0];
    if (network) found.set(network.id, { network, config });
  }
  return [...found.values()];
}

export function ingressNetwork(tx: ReadTx): Network | undefined {
  return tx.list('network').find((n) => n.spec?.ingress);
}

/** Networks over all nodes that the service is on: as in Docker, with ports in ingress mode the ingress network first. */
export function overlaysOfService(tx: ReadTx, service: Service): readonly Network[] {
  const wanted = wantedNetworks(tx, service.spec?.task).map((w) => w.network);
  const overlays = wanted.filter((n) => !isNodeLocal(n));
  const ingress = ingressNetwork(tx);
  return ingress && (service.endpoint?.ports ?? []).some(isIngress) ? [ingress, ...overlays] : overlays;
}

/** Networks on which the service is to have a VIP. */
function vipNetworks(tx: ReadTx, service: Service): readonly Network[] {
  return service.spec?.endpoint?.mode === EndpointMode.DNSRR ? [] : overlaysOfService(tx, service);
}

export function lacksVips(tx: ReadTx, service: Service, virtualIps: readonly EndpointVip[]): boolean {
  const has = new Set(virtualIps.map((v) => v.networkId));
  return vipNetworks(tx, service).some((n) => !has.has(n.id));
}

/**
 * The VIPs that the service is to have: those it has already, and new ones. Those it no longer needs are released. All or none: when a
 * pool is empty everything stays as it was.
 */
export function allocateVips(tx: ReadTx, pools: NetworkPools, service: Service): readonly EndpointVip[] {
  const wanted = vipNetworks(tx, service);
  const had = vipsByNetwork(service);
  const fresh = wanted.filter((n) => !had.some((h) => h.networkId === n.id));
  const made = new Map<string, readonly string[]>();
  try {
    for (const network of fresh) made.set(network.id, newVip(pools, network, service.id));
  } catch (e) {
    for (const networkId of made.keys()) pools.release(networkId, service.id);
    throw e;
  }
  for (const { networkId } of had) if (!wanted.some((n) => n.id === networkId)) pools.release(networkId, service.id);
  return wanted.flatMap(({ id: networkId }) => {
    const addresses = had.find((h) => h.networkId === networkId)?.addresses ?? made.get(networkId) ?? [];
    return addresses.map((addr) => EndpointVip.create({ networkId, addr }));
  });
}

/**
 * On the ingress network it is there for those who ask for it, and no packet is sent to it: the mesh goes to the tasks themselves. A
 * network without a free address is no reason to do without the other VIPs then.
 */
function newVip(pools: NetworkPools, network: Network, serviceId: string): readonly string[] {
  if (!network.spec?.ingress) return pools.allocate(network.id, serviceId);
  try {
    return pools.allocateIpv4(network.id, serviceId);
  } catch (e) {
    if (isSwarmtsError(e, 'resource-exhausted')) return [];
    throw e;
  }
}

/** What a new task gets. All or none: what was drawn is given back when a pool is empty. */
export function allocateTaskNetworks(tx: ReadTx, pools: NetworkPools, task: Task): readonly NetworkAttachment[] {
  const wanted: WantedNetwork[] = [...wantedNetworks(tx, task.spec)];
  const ingress = ingressNetwork(tx);
  if (ingress && (task.endpoint?.ports ?? []).some(isIngress)) wanted.push({ network: ingress, config: undefined });
  const made: NetworkAttachment[] = [];
  try {
    for (const { network, config } of wanted) {
      // Where each node has addresses of its own, it gives one itself.
      const addresses = isNodeLocal(network) ? [] : pools.allocate(network.id, task.id, config?.addresses ?? []);
      made.push(NetworkAttachment.create({ network, addresses, aliases: config?.aliases ?? [] }));
    }
    return made;
  } catch (e) {
    for (const a of made) pools.release(a.network?.id ?? '', task.id);
    throw e;
  }
}
