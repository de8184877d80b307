/** The `Status` of a network that is inspected: its addresses, as far as this node knows of all that are in use. */
import { isSwarmtsError, type SubnetConfig } from '@swarmts/lib';
import { builtinNetworks, holdsAddresses, type Network } from '@swarmts/proto';
import type { Backend, BridgeNetwork, ContainerSummary } from '../backend.js';
import { ipamStatusJson } from '../convert/ipam-status.js';
import { NO_ANSWER } from './known-networks.js';

interface Inspected {
  readonly id: string;
  readonly scope: 'swarm' | 'local';
  /** Absent for a builtin one. */
  readonly network?: Network;
}

/** Nothing for networks of the swarm on workers: only managers know all that are on them. */
export async function networkStatus(
  backend: Backend,
  { id, scope, network }: Inspected,
  containers: readonly ContainerSummary[],
): Promise<Readonly<Record<string, unknown>>> {
  const configs = network
    ? (network.ipam?.configs ?? [])
    : id === builtinNetworks.bridge.id && backend.node.bridge
      ? [bridgeConfig(backend.node.bridge)]
      : [];
  if (scope === 'local') return { Status: ipamStatusJson(configs, localAddresses(id, containers)) };
  try {
    return { Status: ipamStatusJson(configs, await swarmAddresses(backend, id)) };
  } catch (e) {
    if (!isSwarmtsError(e, ...NO_ANSWER)) throw e;
    return {};
  }
}

function bridgeConfig(bridge: BridgeNetwork): SubnetConfig {
  return { subnet: bridge.subnet, gateway: bridge.gateway, ipRange: '', reserved: {} };
}

function localAddresses(id: string, containers: readonly ContainerSummary[]): readonly string[] {
  const on = containers.flatMap((c) => c.networks.filter((n) => n.id === id && n.endpointId !== ''));
  return on.flatMap((n) => [n.address, n.ipv6Address]);
}

/** Of tasks, and the virtual ones of services. */
async function swarmAddresses({ swarm }: Backend, id: string): Promise<readonly string[]> {
  const [tasks, services] = [await swarm.tasks({ withAttachments: true }), await swarm.services({ withCounts: false })];
  const ofTasks = tasks
    .filter(holdsAddresses)
    .flatMap((t) => t.networks.filter((n) => n.network?.id === id).flatMap((n) => n.addresses));
  const virtual = services
    .flatMap(({ service }) => service.endpoint?.virtualIps ?? [])
    .filter((v) => v.networkId === id)
    .map((v) => v.addr);
  return [...ofTasks, ...virtual];
}
