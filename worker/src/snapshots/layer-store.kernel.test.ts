/** The store of layers after crashes and attacks. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@swarmts/lib';
import { tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { sha256Digest } from '../images/manifest.js';
import { LayerStore } from './layer-store.js';

describe('the layer store', function () {
  this.timeout(30_000);
  let helper: PrivilegedHelper;
  let dir: string;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper.close());
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-store-'));
  });
  afterEach(() => {
    execFileSync('rm', ['-rf', dir]);
  });

  const root = () => join(dir, 'overlay');
  const open = () => LayerStore.open(root(), helper, silentLogger);
  const hexes = () => readdirSync(root()).filter((n) => /^[0-9a-f]{64}$/.test(n));
  const leftovers = () => readdirSync(root()).filter((n) => n.startsWith('tmp-'));

  async function source(content: string) {
    const tar = await tarOf([{ name: 'file', content }]);
    const blob = join(dir, 'blob');
    writeFileSync(blob, tar);
    const diffId = sha256Digest(tar);
    return { chainId: diffId, diffId, blob };
  }

  it('takes up whole layers, sweeps half-made ones and mends links', async () => {
    const layer = await source('whole');
    await (await open()).ensure(layer);
    const [hex = ''] = hexes();
    const [link = ''] = readdirSync(join(root(), 'l'));
    mkdirSync(join(root(), 'tmp-half', 'diff'), { recursive: true });
    writeFileSync(join(root(), 'tmp-half', 'diff', 'file'), 'half');
    mkdirSync(join(root(), 'f'.repeat(64), 'diff'), { recursive: true });
    rmSync(join(root(), 'l', link));
    symlinkSync('../nowhere/diff', join(root(), 'l', 'zz'));
    const again = await open();
    assert.deepEqual([again.has(layer.chainId), leftovers(), hexes()], [true, [], [hex]]);
    assert.deepEqual(readdirSync(join(root(), 'l')), [link]);
    assert.equal(readlinkSync(join(root(), 'l', link)), `../${hex}/diff`);
  });

  it('leaves nothing of an unpack that is killed in the middle', async () => {
    const store = await open();
    const tar = await tarOf([{ name: 'big', content: Buffer.alloc(64 << 20, 1) }]);
    const blob = join(dir, 'blob');
    writeFileSync(blob, tar);
    const layer = { chainId: sha256Digest(tar), diffId: sha256Digest(tar), blob };
    const abort = new AbortController();
    const unpacking = store.ensure(layer, abort.signal);
    while (!leftovers().some((n) => existsSync(join(root(), n, 'diff', 'big'))))
      await new Promise((r) => setImmediate(r));
    abort.abort(new Error('enough'));
    await assert.rejects(unpacking, /enough/);
    for (let i = 0; i < 500 && leftovers().length > 0; i++) await new Promise((r) => setTimeout(r, 10));
    assert.deepEqual([leftovers(), hexes(), store.has(layer.chainId)], [[], [], false]);
    await store.ensure(layer);
    assert.equal(store.sizeBytes(layer.chainId), 64 << 20);
  });

  it('says of a broken layer in xz what is wrong, and does not wait for the rest of it', async () => {
    const tar = Buffer.concat([Buffer.alloc(512, 'x'), randomBytes(1 << 20)]);
    const blob = join(dir, 'blob');
    writeFileSync(blob, execFileSync('xz', ['-c0'], { input: tar, maxBuffer: 2 << 20 }));
    const layer = { chainId: sha256Digest(tar), diffId: sha256Digest(tar), blob };
    await assert.rejects((await open()).ensure(layer), /failed to register layer: invalid tar archive: bad number/);
  });

  it('puts a layer in the place of what was left there by a step that failed', async () => {
    const store = await open();
    const layer = await source('whole');
    const place = join(root(), layer.chainId.slice('sha256:'.length));
    mkdirSync(join(place, 'diff'), { recursive: true });
    writeFileSync(join(place, 'diff/left'), 'over');
    await store.ensure(layer);
    assert.deepEqual(readdirSync(join(place, 'diff')), ['file']);
    assert.deepEqual(leftovers(), []);
  });

  it('unpacks a layer again that is just being removed', async () => {
    const store = await open();
    const layer = await source('whole');
    for (let i = 0; i < 3; i++) {
      await store.ensure(layer);
      await Promise.all([store.remove(layer.chainId), store.ensure(layer)]);
      const [directory = ''] = store.directories([layer.chainId]);
      assert.deepEqual([store.has(layer.chainId), readdirSync(directory)], [true, ['file']]);
    }
    assert.equal(readdirSync(join(root(), 'l')).length, 1);
  });

  it('removes layers of any depth', async () => {
    const store = await open();
    // Deeper than one path may be long: what a container could leave in its upper directory before a commit.
    const layer = await source('x');
    await store.ensure(layer);
    const diff = join(root(), hexes()[0] ?? '', 'diff');
    execFileSync('sh', [
      '-c',
      `cd ${diff}; for i in $(seq 40); do d=$(printf 'd%0200d' 1); mkdir $d; cd -P $d; done; touch end`,
    ]);
    await store.remove(layer.chainId);
    assert.deepEqual([hexes(), leftovers()], [[], []]);
  });
});
