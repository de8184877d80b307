/** Names, removal and loading of images, with real unpacking. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError } from '@swarmts/lib';
import { type TarFile, TestRegistry, tarOf } from '../engine/engine-bed.js';
import { ImageServiceBed, layer } from './image-service-bed.js';
import { sha256Digest } from './manifest.js';
import { send } from './scripted-registry.js';

describe('names and removal of images', function () {
  this.timeout(30_000);
  const bed = new ImageServiceBed();

  it('tags, finds by every name, and refuses digests as tags', async () => {
    const image = bed.registry.add('app', 'latest', [await layer('x')]);
    const { id } = await bed.pull(bed.ref('app'));
    await bed.images.tag(bed.ref('app'), 'mine:1');
    for (const name of [id, id.slice(7), id.slice(7, 19), 'mine:1', 'docker.io/library/mine:1', bed.ref('app')]) {
      assert.equal((await bed.images.find(name))?.id, image.id, name);
    }
    assert.equal(await bed.images.find('mine'), undefined);
    assert.equal(await bed.images.find('not a reference'), undefined);
    await assert.rejects(bed.images.tag('nosuch', 'x'), /No such image: nosuch/);
    await assert.rejects(bed.images.tag('mine:1', `x@${id}`), /refusing to create a tag with a digest reference/);
    assert.equal(bed.images.count, 1);
  });

  it('survives being opened again', async () => {
    bed.registry.add('app', 'latest', [await layer('x')]);
    const { id } = await bed.pull(bed.ref('app'));
    bed.images = await bed.open();
    await bed.images.collectGarbage();
    assert.equal((await bed.images.find(bed.ref('app')))?.id, id);
    assert.equal(bed.layerDirs().length, 1);
  });

  it('untags first, and deletes with the last name what nothing else needs', async () => {
    const shared = await layer('shared');
    bed.registry.add('one', 'latest', [shared, await layer('1')]);
    bed.registry.add('two', 'latest', [shared]);
    const { id } = await bed.pull(bed.ref('one'));
    await bed.pull(bed.ref('two'));
    await bed.images.tag(bed.ref('one'), 'other');
    assert.deepEqual(await bed.images.remove('other', false), [{ untagged: 'other:latest' }]);
    const chain = bed.images.chainOf(id);
    const done = await bed.images.remove(bed.ref('one'), false);
    assert.deepEqual(done.map((d) => d.deleted).filter(Boolean), [id, chain[1]]);
    assert.equal(bed.layerDirs().length, 1);
    assert.equal(bed.blobs().length, 3);
    await assert.rejects(bed.images.remove(bed.ref('one'), false), /No such image/);
    await bed.images.remove(bed.ref('two'), false);
    assert.deepEqual([bed.layerDirs(), bed.blobs()], [[], []]);
  });

  it('protects bed.images of containers', async () => {
    bed.registry.add('app', 'latest', [await layer('x')]);
    const { id } = await bed.pull(bed.ref('app'));
    const chain = bed.images.chainOf(id);
    bed.users = [{ containerId: 'c'.repeat(64), imageId: id, running: true, chain }];
    await assert.rejects(bed.images.remove(id, true), (e) => {
      assert.ok(isSwarmtsError(e, 'conflict'));
      const why = 'image is being used by running container cccccccccccc';
      assert.equal(e.message, `conflict: unable to delete ${id.slice(7, 19)} (cannot be forced) - ${why}`);
      return true;
    });
    bed.users = [{ containerId: 'c'.repeat(64), imageId: id, running: false, chain }];
    await assert.rejects(
      bed.images.remove(bed.ref('app'), false),
      /unable to remove repository reference .* \(must force\) - container cccccccccccc is using/,
    );
    await bed.images.remove(bed.ref('app'), true);
    assert.equal(bed.layerDirs().length, 1, 'the container still stands on the layer');
    bed.users = [];
    await bed.images.collectGarbage();
    assert.deepEqual(bed.layerDirs(), []);
  });

  it('wants force for an id with names in several repositories', async () => {
    bed.registry.add('app', 'latest', [await layer('x')]);
    const { id } = await bed.pull(bed.ref('app'));
    await bed.images.tag(id, 'a');
    await assert.rejects(
      bed.images.remove(id, false),
      /\(must be forced\) - image is referenced in multiple repositories/,
    );
    const done = await bed.images.remove(id, true);
    assert.ok(done.some((d) => d.untagged === 'a:latest'));
    assert.equal(bed.images.count, 0);
  });

  it('does not collect what a running pull has just stored', async () => {
    const [first, second] = [await layer('1'), await layer('2'.repeat(100))];
    const image = bed.registry.add('app', 'latest', [first, second]);
    let release: (() => void) | undefined;
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(image.layers[1] ?? '-')) return false;
      release = () => send(res, 200, second);
      return true;
    };
    const running = bed.pull(bed.ref('app'));
    while (!release || bed.layerDirs().length === 0) await new Promise((r) => setImmediate(r));
    await bed.images.collectGarbage();
    release();
    await running;
    assert.equal(bed.layerDirs().length, 2);
  });
});

describe('loading images', function () {
  this.timeout(30_000);
  const bed = new ImageServiceBed();

  const config = (diffIds: string[]) =>
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: diffIds },
      }),
    );

  async function* chunks(data: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < data.length; at += 1000) yield data.subarray(at, at + 1000);
  }

  it('takes docker archives, with links between layers, gzipped or not', async () => {
    const [a, b] = [await layer('a'), await layer('b')];
    const cfg = config([a, b, a].map(sha256Digest));
    const archive = await tarOf([
      { name: 'cfg.json', content: cfg },
      { name: '1/layer.tar', content: a },
      { name: '2/layer.tar', content: b },
      { name: '3/layer.tar', type: 'symlink', linkname: '../1/layer.tar' },
      {
        name: 'manifest.json',
        content: JSON.stringify([
          {
            Config: 'cfg.json',
            RepoTags: ['app:1', 'host:5000/app:2'],
            Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'],
          },
        ]),
      },
    ]);
    for (const data of [archive, gzipSync(archive)]) {
      assert.deepEqual(await bed.images.load(chunks(data)), ['app:1', 'host:5000/app:2']);
      assert.equal((await bed.images.find('app:1'))?.id, sha256Digest(cfg));
      assert.equal((await bed.images.find('app:1'))?.layers.length, 3);
      assert.deepEqual(bed.events.splice(0), [`load ${sha256Digest(cfg)}`]);
      await bed.images.remove(sha256Digest(cfg), true);
      assert.deepEqual(bed.blobs(), []);
      bed.events.splice(0);
    }
  });

  it('takes OCI archives as skopeo writes them', async () => {
    const real = await TestRegistry.start();
    try {
      const { ref: reference, id } = await real.push('app', [{ tar: await layer('x') }]);
      const path = join(bed.dir, 'oci.tar');
      execFileSync('skopeo', [
        'copy',
        '-q',
        '--src-tls-verify=false',
        `docker://${reference}`,
        `oci-archive:${path}:host/app:3`,
      ]);
      assert.deepEqual(await bed.images.load(createReadStream(path)), ['host/app:3']);
      assert.equal((await bed.images.find('host/app:3'))?.id, id);
      const docker = join(bed.dir, 'docker.tar');
      execFileSync('skopeo', [
        'copy',
        '-q',
        '--src-tls-verify=false',
        `docker://${reference}`,
        `docker-archive:${docker}:app:4`,
      ]);
      assert.deepEqual(await bed.images.load(createReadStream(docker)), ['app:4']);
    } finally {
      await real.close();
    }
  });

  it('takes what is for the platforms that are wanted', async () => {
    const a = await layer('a');
    const [amd, arm] = ['amd64', 'arm64'].map((architecture) =>
      Buffer.from(String(config([sha256Digest(a)])).replace('amd64', architecture)),
    );
    const item = (name: string) => ({ Config: name, RepoTags: [`${name}:1`], Layers: ['l'] });
    const archive = await tarOf([
      { name: 'amd', content: amd ?? '' },
      { name: 'arm', content: arm ?? '' },
      { name: 'l', content: a },
      { name: 'manifest.json', content: JSON.stringify([item('amd'), item('arm')]) },
    ]);
    const load = (...architectures: string[]) =>
      bed.images.load(
        chunks(archive),
        undefined,
        architectures.map((architecture) => ({ os: 'linux', architecture })),
      );
    assert.deepEqual(await load('arm64'), ['arm:1']);
    assert.equal(await bed.images.find('amd:1'), undefined);
    assert.deepEqual(await load('arm64', 'amd64'), ['arm:1', 'amd:1']);
    await assert.rejects(load('s390x'), /^SwarmtsError: the archive has no image for the platform linux\/s390x$/);
  });

  it('resolves to the id of an image without a name', async () => {
    const a = await layer('a');
    const cfg = config([sha256Digest(a)]);
    const archive = await tarOf([
      { name: './c', content: cfg },
      { name: './l', content: a },
      { name: './manifest.json', content: JSON.stringify([{ Config: 'c', RepoTags: null, Layers: ['l'] }]) },
    ]);
    assert.deepEqual(await bed.images.load(chunks(archive)), [sha256Digest(cfg)]);
  });

  it('refuses what is no image archive and leaves nothing', async () => {
    const a = await layer('a');
    const bad: [TarFile[], RegExp][] = [
      [[{ name: 'x', content: 'y' }], /neither manifest.json nor index.json/],
      [[{ name: 'manifest.json', content: '{' }], /manifest.json is not valid JSON/],
      [
        [{ name: 'manifest.json', content: JSON.stringify([{ Config: '../../etc/passwd', Layers: [] }]) }],
        /is missing/,
      ],
      [
        [
          { name: 'c', content: config([sha256Digest(Buffer.from('other'))]) },
          { name: 'l', content: a },
          { name: 'manifest.json', content: JSON.stringify([{ Config: 'c', Layers: ['l'] }]) },
        ],
        /the image config says/,
      ],
    ];
    for (const [files, message] of bad) {
      await assert.rejects(bed.images.load(chunks(await tarOf(files))), message);
      await bed.images.collectGarbage();
      assert.deepEqual([bed.blobs(), bed.layerDirs(), readdirSync(join(bed.dir, 'images', 'tmp'))], [[], [], []]);
    }
    await assert.rejects(bed.images.load(chunks(Buffer.alloc(700, 1))), /invalid tar archive/);
    await assert.rejects(bed.images.load(chunks(a), AbortSignal.abort(new Error('enough'))), /enough/);
  });
});
