/** What containers are made with by the version of the API: what a client cannot know of it does not mean. As Docker. Pure. */
import type { ContainerCreate, ContainerMountWish, NetworkWish } from '../backend.js';
import { SINCE } from '../http/api-version.js';

export function containerOfVersion(c: ContainerCreate, minor: number): ContainerCreate {
  const { annotations, networks, health, ...rest } = c;
  return {
    ...rest,
    ...(annotations && minor >= 43 ? { annotations } : {}),
    ...(networks ? { networks: minor < SINCE.gatewayPriority ? networks.map(withoutPriority) : networks } : {}),
    ...(health ? { health: minor < SINCE.severalNetworks ? { ...health, startIntervalNs: 0 } : health } : {}),
    ...(minor < 40 ? { mounts: c.mounts.map(withSubmounts), ipcMode: c.ipcMode || 'shareable' } : {}),
  };
}

function withoutPriority({ gatewayPriority: _none, ...wish }: NetworkWish): NetworkWish {
  return wish;
}

function withSubmounts({ bindNonRecursive: _none, ...mount }: ContainerMountWish): ContainerMountWish {
  return mount;
}
