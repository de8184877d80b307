/** Where an answered endpoint of the Docker Engine API differs from an engine's: one line each, for docs/api-coverage.md. */
export const DIFFERENCES: Readonly<Record<string, string>> = {
  'POST /build':
    'the classic builder alone: BuildKit (`version=2`) and `remote` are refused with 501, `squash` as without experimental mode; a step without a command shows no container',
  'POST /build/prune': 'finds nothing: the cache of the builder consists of images, which `/images/prune` removes',
  'GET /images/{name}/json': 'up to version 1.44 `Container` and `ContainerConfig` are left out',
  'GET /images/{name}/attestations':
    'refused with 501 for images that there are: the node keeps one manifest of each image, and no index',
  'POST /images/create': '`fromSrc` takes http and https addresses and the body',
  'GET /images/{name}/get':
    'an OCI layout with `manifest.json` beside it, as from Docker 25 on; layers as they were pulled',
  'GET /images/get': 'an OCI layout with `manifest.json` beside it, as from Docker 25 on; layers as they were pulled',
  'POST /networks/create':
    'the networks of a swarm are of the drivers overlay, bridge and macvlan: `Scope` "swarm" with another one is refused with 501',
  'GET /system/df': '`BuildCache` is empty: the cache of the builder consists of images',
  'GET /info': '`ContainerdCommit`, `RuncCommit`, `InitCommit` and counters of Go are empty',
};
