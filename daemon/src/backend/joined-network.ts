/** A network of the swarm as this node knows it, in the API's words: who carries it, and who is on it. Pure. */
import type { JoinedNetwork } from '@swarmts/api';
import { hasVip, type NetworkView, readyEndpoints } from '@swarmts/netplugins';
import type { NetworkService } from '@swarmts/proto';

export function joinedNetwork(v: NetworkView): JoinedNetwork {
  return {
    network: v.network,
    peers: [...v.peers.values()].map((p) => ({ name: p.nodeId, address: p.addr })),
    services: [...v.services.values()].map((s) => serviceOn(v, s)),
  };
}

function serviceOn(v: NetworkView, s: NetworkService): JoinedNetwork['services'][number] {
  return {
    name: s.name,
    virtualIp: hasVip(s) ? (s.virtualIps[0] ?? '') : '',
    ports: s.ports.map(({ targetPort, publishedPort }) => ({ targetPort, publishedPort })),
    tasks: readyEndpoints(v, s.serviceId).map((e) => ({
      name: e.name,
      endpointId: e.taskId,
      address: e.addresses[0] ?? '',
      hostAddress: v.peers.get(e.nodeId)?.addr ?? '',
    })),
  };
}
