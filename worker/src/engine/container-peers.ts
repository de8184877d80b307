/** Containers whose namespaces another one joins. */
import { SwarmtsError } from '@swarmts/lib';
import type { IdMaps } from '../userns/id-map.js';
import type { NetworkOwner, PeerOf } from './container-namespaces.js';
import { containerPaths, type EngineRoots } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';
import type { ContainerRegistry } from './container-registry.js';
import { idsOf } from './container-userns.js';

export function runningPeers(roots: EngineRoots, registry: ContainerRegistry, ids: IdMaps | undefined): PeerOf {
  return (joining, container, what) => {
    const { record, isRunning } = registry.get(container);
    if (record.id === joining) throw new SwarmtsError('invalid-argument', `cannot join own ${what}`);
    const pid = record.process?.init.pid;
    if (!isRunning || pid === undefined) {
      throw new SwarmtsError('conflict', `cannot join ${what} of a non running container: ${record.id}`);
    }
    const shm = record.config.ipcMode === 'shareable' ? containerPaths(roots, record.id).shm : undefined;
    const inUserns = idsOf(ids, record.config) !== undefined;
    return { id: record.id, pid, shm, inUserns, network: networkOwner(roots, registry, record) };
  };
}

function networkOwner(roots: EngineRoots, registry: ContainerRegistry, joined: ContainerRecord): NetworkOwner {
  const seen = new Set<ContainerRecord>();
  let owner = joined;
  // Names may have come to mean other containers since: then they can lead in a circle.
  while (owner.config.networkContainer && !seen.has(owner)) {
    seen.add(owner);
    owner = registry.get(owner.config.networkContainer).record;
  }
  const { hostname, config } = owner;
  return { hostname, domainname: config.domainname, directory: containerPaths(roots, owner.id).container };
}
