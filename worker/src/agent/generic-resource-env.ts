/** How a container learns which user-defined resources of its node it has been given. */
import type { GenericResource } from '@swarmts/proto';

/** The variables that a container is told its resources with: DOCKER_RESOURCE_GPU=uuid1,uuid2. */
export function genericResourceEnv(assigned: readonly GenericResource[]): readonly string[] {
  const byKind = new Map<string, string[]>();
  for (const r of assigned)
    byKind.set(r.kind, [...(byKind.get(r.kind) ?? []), r.value === '' ? String(r.count) : r.value]);
  return [...byKind].map(([kind, values]) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${values.join(',')}`);
}
