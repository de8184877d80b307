/**
 * Removal of images by Docker's rules: a name is untagged first; the image goes with its last name, and with it the untagged
 * images that it was built from. What a container uses or another image was made from is refused.
 */
import { SwarmtsError } from '@swarmts/lib';
import { digestKey, familiarString, parseReference, tagKey } from '@swarmts/proto';
import { type StoredImage, withoutImages, withoutKeys } from './image-index.js';
import { shortId } from './image-puller.js';
import type { ImageStore } from './image-store.js';

export interface RemovedItem {
  readonly untagged?: string;
  readonly deleted?: string;
}

interface Conflict {
  /** Force does not help. */
  readonly hard: boolean;
  /** A container uses the image. */
  readonly used: boolean;
  readonly why: string;
}

interface RemoveOptions {
  readonly force: boolean;
  /** Also the untagged images that it was made from. */
  readonly prune: boolean;
}

/** Only inside of the store's `change`. `text` is a name, an id or the beginning of one. */
export async function removeImage(store: ImageStore, text: string, options: RemoveOptions): Promise<RemovedItem[]> {
  // A name that none can be is refused as such.
  if (store.resolve(text) === undefined && !/^(sha256:)?[0-9a-f]+$/.test(text)) parseReference(text);
  const image = store.image(text);
  const removal = new Removal(store, options.prune);
  const byName = store.named(text) !== undefined;
  if (byName) {
    await removal.untagName(text, image, options.force);
    if (store.referencesOf(image.id).length > 0) return removal.items;
  } else if (isSingleReference(store.referencesOf(image.id))) {
    const conflict = conflictOf(store, image, { soft: !options.force, references: false });
    if (conflict) throw unableToDelete(image.id, conflict);
    await removal.untag(image, store.referencesOf(image.id));
  }
  await removal.delete(image, options.force, byName);
  await removal.finish();
  return removal.items;
}

class Removal {
  readonly #store: ImageStore;
  readonly #prune: boolean;
  readonly items: RemovedItem[] = [];

  constructor(store: ImageStore, prune: boolean) {
    this.#store = store;
    this.#prune = prune;
  }

  async finish(): Promise<void> {
    for (const layer of await this.#store.sweep()) this.items.push({ deleted: layer.chainId });
  }

  /** Takes the name away, and with the last tag of its repository the repository's digests. */
  async untagName(text: string, image: StoredImage, force: boolean): Promise<void> {
    const before = this.#store.referencesOf(image.id);
    const user = this.#store.usersOf(image.id)[0];
    if (user && !force && isSingleReference(before)) {
      const who = `container ${shortId(user.containerId)} is using its referenced image ${shortId(image.id)}`;
      throw new SwarmtsError(
        'conflict',
        `conflict: unable to remove repository reference "${text}" (must force) - ${who}`,
      );
    }
    const ref = parseReference(text);
    const key = ref.digest ? digestKey(ref, ref.digest) : tagKey(ref);
    const left = before.filter((k) => k !== key);
    const sameRepository = left.filter((k) => repositoryOfKey(k) === repositoryOfKey(key));
    const orphans = ref.digest || sameRepository.some((k) => !k.includes('@')) ? [] : sameRepository;
    await this.untag(image, [key, ...orphans]);
  }

  async untag(image: StoredImage, keys: readonly string[]): Promise<void> {
    await this.#store.replace(withoutKeys(this.#store.refs, new Set(keys)));
    for (const key of keys) {
      const name = familiarString(parseReference(key));
      this.items.push({ untagged: name });
      this.#store.emit('untag', image.id, { name });
    }
  }

  /** `quiet`: an image that cannot go, stays without a word. */
  async delete(image: StoredImage, force: boolean, quiet: boolean): Promise<void> {
    const store = this.#store;
    const conflict = conflictOf(store, image, { soft: !force, references: !force });
    if (conflict) {
      if (quiet && (conflict.used || store.referencesOf(image.id).length > 0)) return;
      if (quiet && conflict.hard) return;
      throw unableToDelete(image.id, conflict);
    }
    await this.untag(image, store.referencesOf(image.id));
    await store.replace(withoutImages(store.refs, new Set([image.id])));
    store.forget(image.id);
    store.emit('delete', image.id, { name: image.id });
    this.items.push({ deleted: image.id });
    const parent = image.parent === undefined ? undefined : store.refs.images[image.parent];
    if (this.#prune && parent && !store.isHeld(parent.id)) await this.delete(parent, false, true);
  }
}

function conflictOf(
  store: ImageStore,
  image: StoredImage,
  check: { readonly soft: boolean; readonly references: boolean },
): Conflict | undefined {
  const users = store.usersOf(image.id);
  const running = users.find((u) => u.running);
  if (running) {
    const why = `image is being used by running container ${shortId(running.containerId)}`;
    return { hard: true, used: true, why };
  }
  if (store.childrenOf(image.id).length > 0) {
    return { hard: true, used: false, why: 'image has dependent child images' };
  }
  if (check.references && store.referencesOf(image.id).length > 0) {
    return { hard: false, used: false, why: 'image is referenced in multiple repositories' };
  }
  if (check.soft && users[0]) {
    const why = `image is being used by stopped container ${shortId(users[0].containerId)}`;
    return { hard: false, used: true, why };
  }
  return undefined;
}

/** One tag at most, and every digest in the tag's repository. */
function isSingleReference(keys: readonly string[]): boolean {
  if (keys.length <= 1) return true;
  const tags = keys.filter((k) => !k.includes('@'));
  const repositories = new Set(keys.map(repositoryOfKey));
  return tags.length <= 1 && repositories.size === 1;
}

function repositoryOfKey(key: string): string {
  const at = key.indexOf('@');
  return at >= 0 ? key.slice(0, at) : key.slice(0, key.lastIndexOf(':'));
}

function unableToDelete(id: string, c: Conflict): SwarmtsError {
  const how = c.hard ? 'cannot be forced' : 'must be forced';
  return new SwarmtsError('conflict', `conflict: unable to delete ${shortId(id)} (${how}) - ${c.why}`);
}
