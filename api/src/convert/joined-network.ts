/** What is told of a network of the swarm beside its settings, where this node takes part in it. */
import type { JoinedNetwork } from '../node-backend.js';

/** Go's word for an address that there is none. */
const NO_ADDRESS = '<nil>';

/** `verbose`: its services, too. */
export function joinedNetworkJson(n: JoinedNetwork, verbose: boolean): Record<string, unknown> {
  return {
    Peers: n.peers.map((p) => ({ Name: p.name, IP: p.address })),
    ...(verbose ? { Services: Object.fromEntries(n.services.map((s) => [s.name, serviceJson(s)])) } : {}),
  };
}

function serviceJson(s: JoinedNetwork['services'][number]): Record<string, unknown> {
  return {
    VIP: s.virtualIp || NO_ADDRESS,
    Ports: s.ports.map((p) => `Target: ${p.targetPort}, Publish: ${p.publishedPort}`),
    LocalLBIndex: 0,
    Tasks: s.tasks.map((t) => ({
      Name: t.name,
      EndpointID: t.endpointId,
      EndpointIP: t.address,
      Info: { 'Host IP': t.hostAddress },
    })),
  };
}
