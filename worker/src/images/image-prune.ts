/** Which images a prune takes, and taking them. */
import { isSwarmtsError } from '@swarmts/lib';
import { keysOf, type StoredImage } from './image-index.js';
import { type RemovedItem, removeWithSizes } from './image-removal.js';
import type { ImageStore } from './image-store.js';
import type { ParsedConfig } from './manifest.js';

export interface PruneOptions {
  /** False takes every image that no container uses. */
  readonly danglingOnly: boolean;
  readonly accepts: (image: {
    readonly createdAtMs: number;
    readonly labels: Readonly<Record<string, string>>;
  }) => boolean;
}

export interface Pruned {
  readonly removed: readonly RemovedItem[];
  readonly freedBytes: number;
}

/** Only inside of the store's `change`. */
export async function pruneImages(store: ImageStore, options: PruneOptions): Promise<Pruned> {
  const removed: RemovedItem[] = [];
  let freedBytes = 0;
  // An image becomes free when the last one that was made from it goes.
  for (let before = -1; before !== removed.length; ) {
    before = removed.length;
    for (const name of await candidates(store, options)) {
      const done = await attempt(store, name);
      removed.push(...done.items);
      freedBytes += done.freedBytes;
    }
  }
  return { removed, freedBytes };
}

/** The names of the images that may go, the ids of those without a name. */
async function candidates(store: ImageStore, options: PruneOptions): Promise<string[]> {
  const names: string[] = [];
  for (const image of Object.values(store.refs.images)) {
    if (!isCandidate(store, image, await store.config(image.id), options)) continue;
    const keys = [...keysOf(store.refs.tags, image.id), ...keysOf(store.refs.digests, image.id)];
    names.push(...(keys.length > 0 ? keys : [image.id]));
  }
  return names;
}

function isCandidate(store: ImageStore, image: StoredImage, config: ParsedConfig, options: PruneOptions): boolean {
  const isTagged = keysOf(store.refs.tags, image.id).length > 0;
  if (options.danglingOnly && isTagged) return false;
  if (store.childrenOf(image.id).length > 0 || store.usersOf(image.id).length > 0) return false;
  if (store.isHeld(image.id)) return false;
  return options.accepts({ createdAtMs: config.createdAtMs, labels: config.config.Labels ?? {} });
}

/** An image that cannot go stays. */
async function attempt(store: ImageStore, name: string) {
  try {
    return await removeWithSizes(store, name, { force: false, prune: true });
  } catch (e) {
    if (isSwarmtsError(e, 'conflict', 'image-not-found')) return { items: [], freedBytes: 0 };
    throw e;
  }
}
