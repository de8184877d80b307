/** Which networks services and tasks are on, and what they get there. Pure but for the pools, which it draws from. */
import {
  EndpointMode,
  EndpointVip,
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

/** The VIPs that the service is to have: those it has already, and new ones. Those it no longer needs are released. */
export function allocateVips(tx: ReadTx, pools: NetworkPools, service: Service): readonly EndpointVip[] {
  const wanted =
    service.spec?.endpoint?.mode === EndpointMode.DNSRR
      ? []
      : wantedNetworks(tx, service.spec?.task).map((w) => w.network.id);
  const had = vipsByNetwork(service);
  for (const { networkId } of had) if (!wanted.includes(networkId)) pools.release(networkId, service.id);
  return wanted.flatMap((networkId) => {
    const addresses = had.find((h) => h.networkId === networkId)?.addresses ?? pools.allocate(networkId, service.id);
    return addresses.map((addr) => EndpointVip.create({ networkId, addr }));
  });
}

/** What a new task gets. All or none: what was drawn is given back when a pool is empty. */
export function allocateTaskNetworks(tx: ReadTx, pools: NetworkPools, task: Task): readonly NetworkAttachment[] {
  const wanted: WantedNetwork[] = [...wantedNetworks(tx, task.spec)];
  const ingress = ingressNetwork(tx);
  if (ingress && (task.endpoint?.ports ?? []).some(isIngress)) wanted.push({ network: ingress, config: undefined });
  const made: NetworkAttachment[] = [];
  try {
    for (const { network, config } of wanted) {
      const addresses = pools.allocate(network.id, task.id, config?.addresses ?? []);
      made.push(NetworkAttachment.create({ network, addresses, aliases: config?.aliases ?? [] }));
    }
    return made;
  } catch (e) {
    for (const a of made) pools.release(a.network?.id ?? '', task.id);
    throw e;
  }
}
