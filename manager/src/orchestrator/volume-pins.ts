/** Which node each slot of a service has its volumes on, for services that ask that their slots stay there. */
import { isWanted, pinsVolumes, type Service, type ServiceSpec, understood } from '@swarmts/proto';
import { occupiesNode } from '@swarmts/scheduler';
import type { ReadTx } from '../store/transaction.js';

/** Whether the service's slots stay with the nodes that have their volumes. */
export function isPinned(spec: ServiceSpec | undefined): boolean {
  return spec?.mode?.replicated !== undefined && understood(() => pinsVolumes(spec.annotations?.labels ?? {}), false);
}

/** The node that the slot has to stay on; '' for none. */
export function pinOf(service: Service, slot: number): string {
  return (isPinned(service.spec) && service.volumePins[String(slot)]) || '';
}

/** The service's pins once `spec` is its spec: slots that are pinned from now on stay where their tasks are. */
export function pinsWith(tx: ReadTx, service: Service, spec: ServiceSpec): Service['volumePins'] {
  if (!isPinned(spec)) return {};
  if (isPinned(service.spec)) return service.volumePins;
  const placed = tx.by('task', 'service', service.id).filter((t) => isWanted(t) && occupiesNode(t));
  return Object.fromEntries(placed.map((t) => [String(t.slot), t.nodeId]));
}
