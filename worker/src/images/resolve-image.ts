/** Asks a registry what a reference stands for, without pulling: the digest to pin it by, and the platforms it comes for. */

import type { ImageReference } from '@swarmts/proto';
import { readBody } from './http-request.js';
import type { ImageResolution, RegistryAuth } from './image-api.js';
import { MAX_CONFIG_BYTES, parseImageConfig, parseManifest, sha256Digest } from './manifest.js';
import { type RegistryClientOptions, RepositoryClient } from './registry-client.js';

/** Throws SwarmtsError as a pull would: 'image-not-found', 'unavailable', ... */
export async function resolveImage(
  ref: ImageReference,
  auth: RegistryAuth | undefined,
  options: RegistryClientOptions,
  signal?: AbortSignal,
): Promise<ImageResolution> {
  const client = new RepositoryClient(ref, auth, options);
  try {
    const { data, contentType } = await client.manifest(ref.digest ?? ref.tag ?? 'latest', signal);
    const digest = sha256Digest(data);
    const parsed = parseManifest(data, contentType);
    const found = { digest, mediaType: typeOf(data, contentType), sizeBytes: data.length };
    if (parsed.kind === 'index') {
      const known = parsed.manifests.flatMap((m) => (m.platform && m.platform.os !== 'unknown' ? [m.platform] : []));
      return { ...found, platforms: known };
    }
    const { body } = await client.blob(parsed.config.digest, 0, signal);
    const config = parseImageConfig(await readBody(body, MAX_CONFIG_BYTES));
    const { architecture, os, variant } = config;
    return { ...found, platforms: [{ architecture, os, ...(variant ? { variant } : {}) }] };
  } finally {
    client.close();
  }
}

/** What the document says of itself, else what the registry says. */
function typeOf(data: Buffer, contentType: string): string {
  // It was parsed already.
  const { mediaType } = JSON.parse(data.toString('utf8')) as { readonly mediaType?: unknown };
  return typeof mediaType === 'string' ? mediaType : (contentType.split(';')[0] ?? '').trim();
}
