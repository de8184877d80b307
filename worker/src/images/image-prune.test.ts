import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import type { ImageRefs, StoredImage } from './image-index.js';
import { pruneImages } from './image-prune.js';
import { ImageStore, type ImageUser } from './image-store.js';
import { sha256Digest } from './manifest.js';

/** One line per image: name of the image, its parent, its tags and digests. */
type Sketch = readonly [name: string, parent: string, ...keys: string[]];

describe('a prune of images', () => {
  let dir: string;
  let users: ImageUser[];
  let asked: number;
  let events: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-prune-'));
    [users, asked, events] = [[], 0, []];
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const configOf = (name: string) => Buffer.from(JSON.stringify({ author: name }));
  const idOf = (name: string) => sha256Digest(configOf(name));
  const keyOf = (key: string) => `docker.io/library/${key}`;

  async function storeOf(...sketches: Sketch[]): Promise<ImageStore> {
    const store = await ImageStore.open({
      root: dir,
      // What a sweep asks of the layers.
      layers: { list: () => [] } as unknown as LayerStore,
      helper: {} as HelperApi,
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      platform: { os: 'linux', architecture: 'amd64' },
      registry: {},
      users: () => {
        asked++;
        return users;
      },
      emit: (e) => events.push(`${e.action} ${e.attributes.name}`),
    });
    const refs = {
      images: {} as Record<string, StoredImage>,
      tags: {} as Record<string, string>,
      digests: {} as Record<string, string>,
    };
    for (const [name, parent, ...keys] of sketches) {
      const id = idOf(name);
      await store.blobs.put(id, configOf(name));
      const image = { id, manifest: id, layers: [], chain: [], storedAtMs: 0 };
      refs.images[id] = parent === '' ? image : { ...image, parent: idOf(parent) };
      for (const k of keys) (k.includes('@') ? refs.digests : refs.tags)[keyOf(k)] = id;
    }
    await store.replace(refs satisfies ImageRefs);
    return store;
  }
  const prune = (store: ImageStore, danglingOnly: boolean) => pruneImages(store, { danglingOnly, accepts: () => true });
  const left = (store: ImageStore, ...names: string[]) => names.filter((n) => store.refs.images[idOf(n)]);

  const digest = `@sha256:${'1'.repeat(64)}`;

  it('takes a chain of images without names from its top down, as far as nobody needs them', async () => {
    const store = await storeOf(
      ['base', '', 'base:1'],
      ['low', 'base'],
      ['side', 'low', 'side:1'],
      ['middle', 'low'],
      ['top', 'middle', `top${digest}`],
    );
    const { removed } = await prune(store, true);
    assert.deepEqual(removed, [{ untagged: `top${digest}` }, { deleted: idOf('top') }, { deleted: idOf('middle') }]);
    assert.deepEqual(events, [`untag top${digest}`, `delete ${idOf('top')}`, `delete ${idOf('middle')}`]);
    assert.deepEqual(left(store, 'base', 'low', 'side'), ['base', 'low', 'side']);
    assert.deepEqual(await store.blobs.list().then((l) => l.sort()), ['base', 'low', 'side'].map(idOf).sort());
  });

  it('takes all that no container uses and no operation holds, when it is asked for all', async () => {
    const store = await storeOf(['a', '', 'a:1', 'a:2', `a${digest}`], ['b', 'a', 'b:1'], ['c', 'a', 'c:1'], ['d', '']);
    users = [{ containerId: 'x', imageId: idOf('c'), running: false, chain: [] }];
    await store.holding(async (hold) => {
      hold([idOf('d')]);
      await prune(store, false);
    });
    assert.deepEqual(left(store, 'a', 'b', 'c', 'd'), ['a', 'c', 'd']);
    users = [];
    await prune(store, false);
    assert.deepEqual(store.refs, { images: {}, tags: {}, digests: {} });
  });

  it('does not begin anew for each of many images', async () => {
    const store = await storeOf(...Array.from({ length: 100 }, (_, i): Sketch => [`i${i}`, '', `app:${i}`]));
    asked = 0;
    const { removed } = await prune(store, false);
    assert.equal(removed.length, 200);
    assert.ok(asked < 10, `${asked} times`);
  });
});
