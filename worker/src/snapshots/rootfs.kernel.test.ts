/** Overlay mounts of few and of very many layers. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import { sha256, tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { chainIds, MAX_LAYERS } from '../images/manifest.js';
import { LayerStore } from './layer-store.js';
import { mountRootfs, planOverlay, rootfsPaths } from './rootfs.js';

describe('a root file system', function () {
  this.timeout(30_000);
  let helper: PrivilegedHelper;
  let dir: string;

  before(async () => {
    helper = await startHelper();
  });

  after(async () => {
    await helper.close();
  });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-rootfs-'));
  });

  afterEach(async () => {
    await helper.unmount(rootfsPaths(dir).target);
    rmSync(dir, { recursive: true, force: true });
  });

  /** A store whose layers were not unpacked but laid out by hand: `count` of them, with one file each. */
  async function storeWith(count: number): Promise<{ store: LayerStore; chain: string[] }> {
    const root = join(dir, 'overlay');
    const chain = chainIds(Array.from({ length: count }, (_, i) => sha256(Buffer.from(String(i)))));
    for (const [i, c] of chain.entries()) {
      const layer = join(root, c.slice(7));
      mkdirSync(join(layer, 'diff'), { recursive: true });
      writeFileSync(join(layer, 'diff', `f${i}`), '');
      writeFileSync(join(layer, 'diff', 'same'), String(i));
      writeFileSync(join(layer, 'layer.json'), JSON.stringify({ diffId: c, sizeBytes: 1, link: i.toString(36) }));
    }
    return { store: await LayerStore.open(root, helper, silentLogger), chain };
  }

  for (const count of [0, 1, 127, MAX_LAYERS]) {
    it(`can stand on ${count} layers`, async () => {
      const { store, chain } = await storeWith(count);
      const target = await mountRootfs(helper, store, chain, dir);
      assert.equal(readdirSync(target).filter((n) => n.startsWith('f')).length, count);
      writeFileSync(join(target, 'new'), 'x');
      assert.ok(existsSync(join(rootfsPaths(dir).upper, 'new')));
    });
  }

  it('takes the long way only when one page of options is not enough', () => {
    const paths = rootfsPaths('/c');
    const lower = (n: number) => Array.from({ length: n }, (_, i) => `l/${i.toString(36)}`);
    assert.equal(planOverlay('/var/lib/swarmts/overlay', lower(20), paths).via, 'mount');
    assert.equal(planOverlay('/var/lib/swarmts/overlay', lower(200), paths).via, 'command');
    assert.throws(
      () => planOverlay('/r', lower(2000), paths),
      (e) => isSwarmtsError(e, 'unsupported'),
    );
  });

  it('says which image must be pulled again when a layer is missing', async () => {
    const { store } = await storeWith(1);
    await assert.rejects(
      mountRootfs(helper, store, [`sha256:${'0'.repeat(64)}`], dir),
      /is missing from .*; pull the image again/,
    );
  });

  it('unpacks a layer once, however many want it', async () => {
    const store = await LayerStore.open(join(dir, 'overlay'), helper, silentLogger);
    const tar = await tarOf([{ name: 'x', content: 'x' }]);
    const blob = join(dir, 'blob');
    writeFileSync(blob, tar);
    const layer = { chainId: sha256(tar), diffId: sha256(tar), blob };
    await Promise.all([store.ensure(layer), store.ensure(layer), store.ensure(layer)]);
    assert.deepEqual(store.list(), [layer.chainId]);
    assert.deepEqual(readdirSync(join(dir, 'overlay', 'l')), ['0']);
    const abort = new AbortController();
    const cancelled = store.ensure({ ...layer, chainId: sha256(Buffer.from('other')) }, abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(cancelled, (e) => isSwarmtsError(e, 'aborted'));
    await store.remove(layer.chainId);
    assert.deepEqual(readdirSync(join(dir, 'overlay', 'l')), []);
  });
});
