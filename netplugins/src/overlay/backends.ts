/** Which endpoints stand behind a service on a network. Pure. */
import { EndpointMode, type NetworkEndpoint, type NetworkService, type PortConfig } from '@swarmts/proto';
import { familyOf } from './data-path.js';
import type { NetworkView } from './network-view.js';

/** The endpoints of the service that are ready, in an order that does not depend on how they became known. */
export function readyEndpoints(v: NetworkView, serviceId: string): readonly NetworkEndpoint[] {
  return [...v.endpoints.values()]
    .filter((e) => e.ready && e.serviceId === serviceId)
    .sort((a, b) => (a.taskId < b.taskId ? -1 : 1));
}

/** Ready endpoints of all services in one pass: what rule sets and names are made of. */
export function readyByService(v: NetworkView): ReadonlyMap<string, readonly NetworkEndpoint[]> {
  const found = new Map<string, NetworkEndpoint[]>();
  for (const e of v.endpoints.values()) {
    if (!e.ready || e.serviceId === '') continue;
    const list = found.get(e.serviceId);
    if (list) list.push(e);
    else found.set(e.serviceId, [e]);
  }
  for (const list of found.values()) list.sort((a, b) => (a.taskId < b.taskId ? -1 : 1));
  return found;
}

export function addressesOf(endpoints: readonly NetworkEndpoint[], family: 'ipv4' | 'ipv6'): readonly string[] {
  return endpoints.flatMap((e) => e.addresses.filter((a) => familyOf(a) === family));
}

export function hasVip(s: NetworkService): boolean {
  return s.mode === EndpointMode.VIP && s.virtualIps.length > 0;
}

/** The node's own endpoints where the port asks for them and there are any, else all. */
export function backendsOfPort(
  p: PortConfig,
  endpoints: readonly NetworkEndpoint[],
  nodeId: string,
): readonly NetworkEndpoint[] {
  const local = p.preferLocal ? endpoints.filter((e) => e.nodeId === nodeId) : [];
  return local.length > 0 ? local : endpoints;
}
