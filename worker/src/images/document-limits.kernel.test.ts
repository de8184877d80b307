/** Configs, manifests and names that would fill the daemon's memory. Needs root for the store of layers. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import { type TarFile, tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { LayerStore } from '../snapshots/layer-store.js';
import { ImageService } from './image-service.js';
import { ScriptedRegistry } from './scripted-registry.js';

const LIMIT = 4 << 20;

describe('documents of images that are too large', () => {
  let helper: PrivilegedHelper;
  let registry: ScriptedRegistry;
  let dir: string;
  let images: ImageService;
  before(async () => {
    [helper, registry] = [await startHelper(), await ScriptedRegistry.start()];
    dir = mkdtempSync(join(tmpdir(), 'swarmts-limits-'));
    images = await ImageService.open({
      root: join(dir, 'images'),
      layers: await LayerStore.open(join(dir, 'overlay'), helper, silentLogger),
      helper,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      platform: { os: 'linux', architecture: 'amd64' },
      registry: { mirrors: [] },
      users: () => [],
      emit: () => undefined,
    });
  });
  after(async () => {
    await registry.close();
    await helper.close();
    rmSync(dir, { recursive: true, force: true });
  });
  afterEach(() => {
    assert.deepEqual(readdirSync(join(dir, 'images/blobs/sha256')), []);
  });

  const isRefused = (message: RegExp) => (e: unknown) => isSwarmtsError(e, 'corrupt') && message.test(e.message);

  async function load(...files: TarFile[]) {
    const archive = await tarOf(files);
    return images.load(
      (async function* () {
        yield archive;
      })(),
    );
  }

  it('are not fetched from a registry', async () => {
    const { manifest } = registry.add('app', 'latest', [await tarOf([{ name: 'f', content: 'x' }])]);
    const text = manifest.toString().replace(/("config":\{[^}]*"size":)\d+/, `$1${LIMIT + 1}`);
    registry.put('app', 'latest', Buffer.from(text), 'application/vnd.oci.image.manifest.v1+json');
    const pull = images.pull(`${registry.address}/app`, { onProgress: () => undefined });
    await assert.rejects(pull, isRefused(/image config of 4194305 bytes refused: at most 4194304 are allowed/));
    assert.ok(!registry.requests.some((r) => r.includes('/blobs/')));
  });

  it('are not made here', async () => {
    const archive = async function* () {
      yield await tarOf([{ name: 'f', content: 'x' }]);
    };
    const config = { Labels: { large: 'x'.repeat(LIMIT) } };
    const imported = images.importArchive(archive(), { name: 'large', message: '', config });
    const message = /^image config of 4194\d{3} bytes refused: at most 4194304 are allowed$/;
    await assert.rejects(imported, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
    await images.collectGarbage();
    assert.deepEqual(
      [images.count, readdirSync(join(dir, 'overlay')).filter((n) => /^[0-9a-f]{64}$/.test(n))],
      [0, []],
    );
  });

  it('are not read out of an archive', async () => {
    const list = { name: 'manifest.json', content: JSON.stringify([{ Config: 'cfg', RepoTags: ['a:1'], Layers: [] }]) };
    const large = { name: 'cfg', content: Buffer.alloc(LIMIT + 1, ' ') };
    await assert.rejects(load(list, large), isRefused(/cfg has 4194305 bytes: at most 4194304 are allowed/));
    const lists = { name: 'manifest.json', content: Buffer.alloc((16 << 20) + 1, ' ') };
    await assert.rejects(load(lists), isRefused(/manifest\.json has 16777217 bytes: at most 16777216/));
    const named = { name: 'n'.repeat(5000), content: '' };
    await assert.rejects(load(list, named), isRefused(/archive with a name of more than 4096 bytes/));
  });
});
