/** How a service is reached once a spec is its spec. */
import { SwarmtsError } from '@swarmts/lib';
import { Endpoint, type PortConfig, type Service, type ServiceSpec } from '@swarmts/proto';
import { portKey } from '../store/tables.js';
import type { ReadTx } from '../store/transaction.js';
import { ingressNetwork } from './attachments.js';
import { assignPorts, isIngress } from './published-ports.js';
import { reservedPorts } from './reserved-ports.js';

/** With the open ports chosen; the VIPs stay, and the allocator brings them in line with the spec. */
export function endpointOf(tx: ReadTx, spec: ServiceSpec, service: Service | undefined): Endpoint {
  if ((spec.endpoint?.ports ?? []).some(isIngress) && !ingressNetwork(tx))
    throw new SwarmtsError(
      'failed-precondition',
      'service needs ingress network, but no ingress network is present: docker network create -d overlay --ingress ingress',
    );
  const ownersOf = (p: PortConfig) => tx.by('service', 'port', portKey(p)).filter((s) => s.id !== service?.id);
  const ports = assignPorts(spec, service?.endpoint?.ports ?? [], ownersOf, reservedPorts(tx));
  return Endpoint.create({ spec: spec.endpoint, ports, virtualIps: service?.endpoint?.virtualIps ?? [] });
}
