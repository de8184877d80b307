/**
 * The user namespace of a container, where the engine gives them one (`--userns-remap`). A network namespace can only be used to the full from
 * the user namespace that it was made in: to mount /sys, to bind low ports, to change sysctls. So both are made together before
 * the network is attached, and a container that shares a namespace of another one is in the other one's user namespace.
 */
import { chownSync, statSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerUserns } from '../runtime/oci-userns.js';
import type { IdMaps, Owner } from '../userns/id-map.js';
import type { ContainerConfig } from './container-config.js';
import type { ContainerContext } from './container-context.js';
import { sharedWith } from './container-namespaces.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';

/** Undefined for a container with the host's ids. */
export function idsOf(ids: IdMaps | undefined, config: Pick<ContainerConfig, 'usernsMode'>): IdMaps | undefined {
  return config.usernsMode === 'host' ? undefined : ids;
}

/** What a container in a user namespace cannot have, in Docker's words. */
export function checkUserns(config: ContainerConfig, ids: IdMaps | undefined): void {
  if (!idsOf(ids, config)) return;
  if (config.privileged) {
    const way = 'You must run the container in the host namespace when running privileged mode';
    refuse(`privileged mode is incompatible with user namespaces.  ${way}`);
  }
  if (config.networkMode === 'host')
    refuse("cannot share the host's network namespace when user namespaces are enabled");
  if (config.pidMode === 'host') refuse('cannot share the host PID namespace when user namespaces are enabled');
}

/** Where the container's processes will be; the namespace need not be there yet. */
export function usernsOf(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): ContainerUserns | undefined {
  const { config } = record;
  const { ids: mapped } = context.bundle.layers;
  if (!mapped) return undefined;
  const ids = idsOf(mapped, config);
  const peers = Object.entries({
    network: config.networkContainer ?? '',
    'IPC namespace': sharedWith(config.ipcMode),
    'PID namespace': sharedWith(config.pidMode),
  }).flatMap(([what, name]) => (name === '' ? [] : [context.peerOf(record.id, name, what)]));
  for (const peer of peers) {
    if (peer.inUserns === (ids !== undefined) && peer.id === peers[0]?.id) continue;
    const what = `container ${record.id} cannot share namespaces of ${peer.id}: they are in different user namespaces`;
    throw new SwarmtsError('conflict', what);
  }
  if (!ids) return undefined;
  const [peer] = peers;
  if (peer) return { ids, path: `/proc/${peer.pid}/ns/user` };
  const hasNetns = config.networkMode !== 'none' && config.networkMode !== 'host' && !config.networkNamespace;
  return hasNetns ? { ids, path: paths.userns } : { ids };
}

/**
 * The monitor's pipes belong to the machine's root: the process could write to them, but not open /dev/stdout, which many images log to. crun
 * sees to that, runc cannot. Nothing else than pipes is touched: the input may be the machine's /dev/null.
 */
export function giveStreams(pid: number, owner: Owner): void {
  for (const fd of [0, 1, 2]) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (statSync(path).isFIFO()) chownSync(path, owner.uid, owner.gid);
  }
}

function refuse(message: string): never {
  throw new SwarmtsError('invalid-argument', message);
}
