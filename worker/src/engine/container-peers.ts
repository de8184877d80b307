/** Containers whose namespaces another one joins. */
import { type Clock, SwarmtsError, sleep } from '@swarmts/lib';
import type { IdMaps } from '../userns/id-map.js';
import { type NetworkOwner, type PeerOf, sharedWith } from './container-namespaces.js';
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

/** A container is started again so much later at most for the sake of others. */
const NEEDED_WAIT_MS = 5_000;
const NEEDED_POLL_MS = 50;

/** Waits for those that a container joins or is linked to while they are about to be started again, as all are after the machine was. */
export async function untilNeededRun(
  { config }: ContainerRecord,
  registry: ContainerRegistry,
  clock: Clock,
): Promise<void> {
  const joined = [config.networkContainer ?? '', sharedWith(config.pidMode), sharedWith(config.ipcMode)];
  const names = [...joined, ...(config.links ?? []).map((l) => l.container)].filter((name) => name !== '');
  const deadlineMs = clock.monotonic() + NEEDED_WAIT_MS;
  const isComing = (name: string) => registry.find(name)?.record.state === 'restarting';
  while (names.some(isComing) && clock.monotonic() < deadlineMs) await sleep(clock, NEEDED_POLL_MS);
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
