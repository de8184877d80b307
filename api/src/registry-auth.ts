/** The X-Registry-Auth header: JSON in URL-safe base64. */
import { SwarmtsError } from '@swarmts/lib';

export const REGISTRY_AUTH = 'x-registry-auth';

/** Undefined without a header; an empty object counts as none. */
export function decodeRegistryAuth(header: string | undefined): unknown {
  if (header === undefined || header === '') return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    return isEmpty ? undefined : value;
  } catch (e) {
    throw new SwarmtsError('invalid-argument', 'invalid X-Registry-Auth header: it must be JSON in base64', {
      cause: e,
    });
  }
}

/** The header as it is kept in a spec: '' when it says nothing. */
export function storedRegistryAuth(header: string | undefined): string {
  return decodeRegistryAuth(header) === undefined ? '' : (header ?? '');
}
