/** The history of an image as `docker history` shows it: newest first, ids where the images themselves are here. */

import { familiarString, parseReference } from '@swarmts/proto';
import type { ImageStore } from './image-store.js';

export interface HistoryLine {
  /** '<missing>' where only the record of the step is known. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
}

export async function historyOf(store: ImageStore, text: string): Promise<HistoryLine[]> {
  const image = store.image(text);
  const { history } = await store.config(image.id);
  // Some tools write no history for the layers of their base: what there is, is about the upper ones.
  let layer = image.chain.length - history.filter((h) => !h.emptyLayer).length;
  const sizes = history.map((h) => {
    if (h.emptyLayer) return 0;
    return store.options.layers.sizeBytes(image.chain[layer++] ?? '');
  });
  let id: string | undefined = image.id;
  return history
    .map((h, i) => ({ h, sizeBytes: sizes[i] ?? 0 }))
    .toReversed()
    .map(({ h, sizeBytes }) => {
      const here = id === undefined ? undefined : store.refs.images[id];
      const tags = here ? store.tagsOf(here.id).map((k) => familiarString(parseReference(k))) : [];
      id = here?.parent;
      const { createdAtMs, createdBy, comment } = h;
      return { id: here?.id ?? '<missing>', createdAtMs, createdBy, comment, tags, sizeBytes };
    });
}
