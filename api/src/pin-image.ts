/**
 * Pinning of a service's image to a digest, so that every node runs the same. Clients from API 1.30 on ask for the digest
 * themselves (/distribution); for older ones the daemon does it.
 */
import type { ServiceSpec } from '@swarmts/proto';
import { Platform } from '@swarmts/proto';
import type { NodeBackend } from './backend.js';

export interface Pinned {
  readonly spec: ServiceSpec;
  readonly warnings: readonly string[];
}

export async function pinImage(spec: ServiceSpec, node: NodeBackend, auth: unknown): Promise<Pinned> {
  const image = spec.task?.container?.image ?? '';
  if (image === '' || image.includes('@') || spec.task?.container === undefined) return { spec, warnings: [] };
  const found = await node.imageDigest(image, auth);
  if (found === undefined) return { spec, warnings: [noDigestWarning(image)] };
  const platforms = found.platforms.map((p) => Platform.create({ architecture: p.architecture, os: p.os }));
  const placement = spec.task.placement ?? { constraints: [], preferences: [], platforms: [], maxReplicas: 0 };
  const task = {
    ...spec.task,
    container: { ...spec.task.container, image: `${image}@${found.digest}` },
    placement: { ...placement, platforms },
  };
  return { spec: { ...spec, task }, warnings: [] };
}

export function noDigestWarning(image: string): string {
  return (
    `image ${image} could not be accessed on a registry to record\n` +
    `its digest. Each node will access ${image} independently,\n` +
    'possibly leading to different nodes running different\nversions of the image.\n'
  );
}
