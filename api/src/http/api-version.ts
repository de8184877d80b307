/** Which versions of the Docker Engine API are spoken. */
import { SwarmtsError } from '@swarmts/lib';

/** Major and minor. */
export type ApiVersion = readonly [number, number];

export const MAX_API_VERSION: ApiVersion = [1, 55];
export const MIN_API_VERSION: ApiVersion = [1, 24];

/** From which minor version on answers have, or have no more, what they are named after. */
export const SINCE = {
  /** The number of processes of a container that is there can be changed. */
  pidsChanges: 40,
  /** Several networks of a container that is made, names of endpoints, states of runtimes, directories of CDI. */
  severalNetworks: 44,
  /** Whether mounts are read-only with what is mounted below them. */
  deepReadOnly: 44,
  /** Aliases are those that were asked for. */
  plainAliases: 45,
  /** A directory within a volume. */
  subpaths: 45,
  annotations: 46,
  pushedPlatform: 46,
  /** Events of images that were built. */
  createdImages: 46,
  gatewayPriority: 48,
  /** Of images that are saved and loaded, and of their history. */
  archivePlatform: 48,
  imageMounts: 48,
  firewallBackend: 49,
  inspectedPlatform: 49,
  imageConfigsOnly: 50,
  removedPlatform: 50,
  usersOfImages: 51,
  /** Nothing twice, and nothing empty: no bridge beside the networks, no empty fields of images, sums of what the disk holds. */
  leanAnswers: 52,
  attestations: 55,
  throttleChanges: 55,
} as const;

/** Throws SwarmtsError 'invalid-argument' in the words that clients know. */
export function checkVersion(version: ApiVersion): void {
  const text = version.join('.');
  const compare = (a: ApiVersion, b: ApiVersion) => a[0] - b[0] || a[1] - b[1];
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
