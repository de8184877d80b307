/** What the OCI configuration says of the user namespace of a container. Pure. */
import { type IdMaps, type IdRange, mappedIds } from '../userns/id-map.js';
import type { OciIdMapping, OciSpec } from './oci-spec.js';

export interface ContainerUserns {
  readonly ids: IdMaps;
  /** The namespace that it is in; without one it gets its own. */
  readonly path?: string;
}

export function usernsNamespace(userns: ContainerUserns | undefined): { type: string; path?: string }[] {
  return userns ? [{ type: 'user', ...(userns.path === undefined ? {} : { path: userns.path }) }] : [];
}

/** Also for a namespace that is joined: runc wants to know. */
export function idMappingsOf(
  userns: ContainerUserns | undefined,
): Pick<OciSpec['linux'], 'uidMappings' | 'gidMappings'> {
  if (!userns) return {};
  const mapping = (r: IdRange): OciIdMapping => ({ containerID: r.containerId, hostID: r.hostId, size: r.size });
  return { uidMappings: userns.ids.uids.map(mapping), gidMappings: userns.ids.gids.map(mapping) };
}

/** The groups that may use the kernel's own echo sockets: all that there are. */
export function pingGroups(userns: ContainerUserns | undefined): string {
  return `0 ${userns ? mappedIds(userns.ids.gids) - 1 : 0x7fffffff}`;
}
