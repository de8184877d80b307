/** Which versions of the Docker Engine API are spoken. */
import { SwarmtsError } from '@swarmts/lib';

export const MAX_API_VERSION: readonly [number, number] = [1, 43];
export const MIN_API_VERSION: readonly [number, number] = [1, 24];

/** Throws SwarmtsError 'invalid-argument' in the words that clients know. */
export function checkVersion(version: readonly [number, number]): void {
  const text = version.join('.');
  const compare = (a: readonly [number, number], b: readonly [number, number]) => a[0] - b[0] || a[1] - b[1];
  if (compare(version, MAX_API_VERSION) > 0) {
    const max = MAX_API_VERSION.join('.');
    throw new SwarmtsError(
      'invalid-argument',
      `client version ${text} is too new. Maximum supported API version is ${max}`,
    );
  }
  if (compare(version, MIN_API_VERSION) < 0) {
    throw new SwarmtsError(
      'invalid-argument',
      `client version ${text} is too old. Minimum supported API version is ${MIN_API_VERSION.join('.')}, please upgrade your client to a newer version`,
    );
  }
}
