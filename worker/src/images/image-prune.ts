/** Which images a prune takes, and taking them: all at once, because there may be thousands. */
import { familiarString, parseReference } from '@swarmts/proto';
import { type StoredImage, withoutImages, withoutKeys } from './image-index.js';
import type { RemovedItem } from './image-removal.js';
import type { ImageStore } from './image-store.js';

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
  const accepted = new Set<string>();
  for (const { id } of Object.values(store.refs.images)) {
    const { createdAtMs, config } = await store.config(id);
    if (options.accepts({ createdAtMs, labels: config.Labels ?? {} })) accepted.add(id);
  }
  const going = unneeded(store, ({ id }) => {
    return accepted.has(id) && !(options.danglingOnly && store.tagsOf(id).length > 0);
  });
  if (going.length === 0) return { removed: [], freedBytes: 0 };
  const removed: RemovedItem[] = await takeOut(store, going);
  const layers = await store.sweep();
  removed.push(...layers.map((l) => ({ deleted: l.chainId })));
  return { removed, freedBytes: layers.reduce((sum, l) => sum + l.sizeBytes, 0) };
}

/**
 * The images that may go, in an order in which none goes before those that were made from it: those that are asked for, and what they
 * were made from when that has no name. What a container uses or an operation holds stays.
 */
function unneeded(store: ImageStore, isAsked: (image: StoredImage) => boolean): StoredImage[] {
  const { images } = store.refs;
  const used = new Set(store.options.users().map((u) => u.imageId));
  const going = new Map<string, StoredImage>();
  const childrenLeft = new Map(Object.keys(images).map((id) => [id, store.childrenOf(id).length]));
  const mayGo = (image: StoredImage, isParent: boolean) =>
    !going.has(image.id) &&
    childrenLeft.get(image.id) === 0 &&
    !used.has(image.id) &&
    !store.isHeld(image.id) &&
    (isAsked(image) || (isParent && store.referencesOf(image.id).length === 0));
  for (const candidate of Object.values(images)) {
    let next: StoredImage | undefined = candidate;
    while (next && mayGo(next, next !== candidate)) {
      going.set(next.id, next);
      const { parent }: StoredImage = next;
      if (parent !== undefined) childrenLeft.set(parent, (childrenLeft.get(parent) ?? 0) - 1);
      next = parent === undefined ? undefined : images[parent];
    }
  }
  return [...going.values()];
}

/** With their names, and told of one by one. */
async function takeOut(store: ImageStore, going: readonly StoredImage[]): Promise<RemovedItem[]> {
  const keys = going.map(({ id }) => [id, store.referencesOf(id)] as const);
  const without = withoutKeys(store.refs, new Set(keys.flatMap(([, k]) => k)));
  await store.replace(withoutImages(without, new Set(going.map((i) => i.id))));
  const items: RemovedItem[] = [];
  for (const [id, names] of keys) {
    for (const name of names.map((k) => familiarString(parseReference(k)))) {
      items.push({ untagged: name });
      store.emit('untag', id, { name });
    }
    store.forget(id);
    items.push({ deleted: id });
    store.emit('delete', id, { name: id });
  }
  return items;
}
