/** Pushing, saving, importing, pruning and removing, against a real registry and with real unpacking. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import { parseReference } from '@swarmts/proto';
import { TestRegistry, tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { LayerStore } from '../snapshots/layer-store.js';
import type { PullProgress } from './image-api.js';
import { createImage, layerFrom } from './image-creation.js';
import { ImageService, type ImageUser } from './image-service.js';
import { sha256Digest } from './manifest.js';
import { refuse, ScriptedRegistry, send } from './scripted-registry.js';

const AMD64 = { os: 'linux', architecture: 'amd64' };

describe('images that are made and moved', function () {
  this.timeout(30_000);
  let helper: PrivilegedHelper;
  let dir: string;
  let images: ImageService;
  let users: ImageUser[];

  before(async () => {
    helper = await startHelper();
  });
  after(() => helper.close());
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-verbs-'));
    users = [];
    images = await open('a');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  async function open(root: string): Promise<ImageService> {
    return ImageService.open({
      root: join(dir, root, 'images'),
      layers: await LayerStore.open(join(dir, root, 'overlay'), helper, silentLogger),
      helper,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      platform: AMD64,
      registry: {},
      users: () => users,
      emit: () => undefined,
    });
  }

  async function* chunks(...parts: Buffer[]) {
    yield* parts;
  }
  const imported = (name: string, content = 'x') =>
    tarOf([{ name: 'file', content }]).then((tar) =>
      images.importArchive(chunks(tar), { name, message: 'Imported from -', config: { Cmd: ['/file'] } }),
    );
  /** A child of the image with one more file, as a build step makes it. */
  const child = (parent: string, content: string, name = '') =>
    images.store.holding(async (hold) => {
      const source = mkdtempSync(join(dir, 'upper-'));
      writeFileSync(join(source, 'new'), content);
      const layer = await layerFrom(images.store, { kind: 'pack', source, emptyMounts: [], lower: [] }, hold);
      const base = images.store.image(parent);
      const image = { parent: base, layer, config: {}, createdBy: `step ${content}` };
      return (await createImage(images.store, image, name ? [parseReference(name)] : [], hold)).id;
    });
  const layerDirs = () => readdirSync(join(dir, 'a', 'overlay')).filter((n) => /^[0-9a-f]{64}$/.test(n));

  it('import makes one layer with a history, whatever the compression', async () => {
    const tar = await tarOf([{ name: 'file', content: 'y' }]);
    const plain = await images.importArchive(chunks(tar), { name: 'plain', message: 'from -', config: {} });
    const zipped = await images.importArchive(chunks(gzipSync(tar)), {
      name: 'zipped:1',
      message: '',
      config: { Env: ['a=b'] },
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    });
    const [a, b] = [await images.find('plain'), await images.find('zipped:1')];
    assert.deepEqual([a?.id, b?.id], [plain, zipped]);
    assert.deepEqual(a?.layers, b?.layers);
    assert.deepEqual([b?.architecture, b?.variant, b?.config], ['arm64', 'v8', { Env: ['a=b'] }]);
    assert.equal(layerDirs().length, 1);
    const { layersBytes, sharedBytes } = images.diskUsage();
    assert.deepEqual([layersBytes, [...sharedBytes.values()]], [1, [1, 1]]);
    const [line] = await images.history('plain');
    assert.deepEqual([line?.id, line?.comment, line?.sizeBytes, line?.tags], [plain, 'from -', 1, ['plain:latest']]);
  });

  it('import refuses what is no archive, and leaves nothing', async () => {
    const platform = { os: 'windows', architecture: 'amd64' };
    await assert.rejects(
      images.importArchive(chunks(gzipSync('')), { name: 'x', message: '', config: {}, platform }),
      (e) => isSwarmtsError(e, 'invalid-argument') && /^operating system is not supported: windows$/.test(e.message),
    );
    const bad = images.importArchive(chunks(Buffer.alloc(600, 7)), { name: 'x', message: '', config: {} });
    await assert.rejects(bad, (e) => isSwarmtsError(e, 'corrupt') && /invalid tar archive/.test(e.message));
    await assert.rejects(imported('Bad Name'), /invalid reference format/);
    assert.deepEqual([images.count, readdirSync(join(dir, 'a', 'images', 'tmp'))], [0, []]);
  });

  it('save writes what load, umoci and skopeo read, and keeps ids and names', async () => {
    const id = await imported('one:1');
    await images.tag('one:1', 'one:2');
    const two = await imported('two:latest', 'second');
    const archive: Buffer[] = [];
    for await (const chunk of images.save(['one', two])) archive.push(Buffer.from(chunk));
    const other = await open('b');
    assert.deepEqual([...(await other.load(chunks(...archive)))].sort(), ['one:1', 'one:2', two]);
    assert.equal((await other.find('one:2'))?.id, id);
    writeFileSync(join(dir, 'saved.tar'), Buffer.concat(archive));
    const inspect = (source: string) =>
      JSON.parse(execFileSync('skopeo', ['inspect', '--insecure-policy', source], { encoding: 'utf8' })) as {
        Layers: [];
      };
    assert.equal(inspect(`docker-archive:${join(dir, 'saved.tar')}:one:2`).Layers.length, 1);
    execFileSync('tar', ['-xf', join(dir, 'saved.tar'), '-C', dir]);
    const repositories = JSON.parse(readFileSync(join(dir, 'repositories'), 'utf8')) as Record<string, object>;
    assert.deepEqual([Object.keys(repositories), Object.keys(repositories.one ?? {})], [['one'], ['1', '2']]);
    assert.match(execFileSync('umoci', ['list', '--layout', dir], { encoding: 'utf8' }), /^1\n2\n/m);
    const nosuch = images.save(['nosuch'])[Symbol.asyncIterator]().next();
    await assert.rejects(nosuch, /No such image: nosuch/);
  });

  it('prune takes untagged images and what they were made from; with all, everything unused', async () => {
    const base = await imported('base');
    const middle = await child(base, 'middle');
    const top = await child(middle, 'top');
    const used = await child(base, 'used');
    users = [{ containerId: 'c'.repeat(64), imageId: used, running: false, chain: images.chainOf(used) }];
    assert.equal((await images.find(middle))?.hasChildren, true);
    const accepts = () => true;
    const none = await images.prune({ danglingOnly: true, accepts: () => false });
    assert.deepEqual(none, { removed: [], freedBytes: 0 });
    const done = await images.prune({ danglingOnly: true, accepts });
    const deleted = done.removed.flatMap((r) => r.deleted ?? []);
    assert.deepEqual(deleted.filter((d) => [top, middle, base, used].includes(d)).sort(), [top, middle].sort());
    assert.equal(done.freedBytes, 'middle'.length + 'top'.length);
    users = [];
    await images.prune({ danglingOnly: false, accepts });
    assert.deepEqual([images.count, layerDirs()], [0, []]);
  });

  it('remove takes the untagged parents along, unless told not to, and refuses parents', async () => {
    const base = await imported('base');
    const middle = await child(base, 'middle');
    const top = await child(middle, 'top', 'top:1');
    await assert.rejects(images.remove(middle, true), /cannot be forced\) - image has dependent child images/);
    await assert.rejects(images.remove(base, false), /image has dependent child images/);
    // The name goes, the image stays for its children.
    assert.deepEqual(await images.remove('base', false), [{ untagged: 'base:latest' }]);
    await images.tag(base, 'base');
    await images.remove('top:1', false, false);
    assert.ok(await images.find(middle));
    await child(middle, 'top', 'top:1');
    const done = await images.remove('top:1', false);
    assert.equal(done[0]?.untagged, 'top:1');
    assert.ok(done.some((d) => d.deleted === middle));
    assert.equal(await images.find(top), undefined);
    assert.ok(await images.find('base'));
  });

  it('history names the steps that are here', async () => {
    const base = await imported('base');
    const middle = await child(base, 'middle');
    const top = await child(middle, 'top', 'top:1');
    const lines = await images.history(top);
    assert.deepEqual(
      lines.map((l) => [l.id, l.createdBy, l.sizeBytes]),
      [
        [top, 'step top', 3],
        [middle, 'step middle', 6],
        [base, '', 1],
      ],
    );
    await assert.rejects(images.history('nosuch'), /No such image: nosuch/);
  });

  describe('push', () => {
    let registry: TestRegistry;
    before(async () => {
      registry = await TestRegistry.start();
    });
    after(() => registry.close());

    async function push(ref: string, all = false) {
      const progress: PullProgress[] = [];
      await images.push(ref, { all, onProgress: (p) => progress.push(p) });
      return progress;
    }
    const statuses = (p: readonly PullProgress[]) => p.flatMap((r) => r.status ?? []);

    it('uploads layers, config and manifest; a second time nothing', async () => {
      const id = await imported('first');
      const ref = `${registry.address}/first:1`;
      await images.tag('first', ref);
      const progress = await push(ref);
      assert.match(statuses(progress)[0] ?? '', /^The push refers to repository \[127\.0\.0\.1:\d+\/first\]$/);
      assert.ok(statuses(progress).includes('Pushed'));
      const aux = progress.at(-1)?.aux;
      assert.match(statuses(progress).at(-1) ?? '', /^1: digest: sha256:[0-9a-f]{64} size: \d+$/);
      assert.deepEqual((await images.find(ref))?.repoDigests, [`${registry.address}/first@${aux?.Digest}`]);
      const again = await push(ref);
      assert.ok(statuses(again).includes('Layer already exists') && !statuses(again).includes('Pushed'));
      assert.deepEqual(again.at(-1)?.aux, aux);
      const other = await open('b');
      assert.equal(await other.pull(ref, {}), id);
      await images.collectGarbage();
      assert.equal(await (await open('a')).pull(ref, {}), id);
    });

    it('keeps the manifest of what was pulled', async () => {
      const tar = await tarOf([{ name: 'f', content: 'pulled' }]);
      const { ref, digest } = await registry.push('origin', [{ tar }]);
      await images.pull(ref, {});
      const copy = `${registry.address}/team/copy:x`;
      await images.tag(ref, copy);
      const progress = await push(copy);
      assert.equal(progress.at(-1)?.aux?.Digest, digest);
      assert.ok(statuses(progress).includes('Mounted from origin'), statuses(progress).join('\n'));
    });

    it('pushes all tags of a repository when asked', async () => {
      await imported('many');
      for (const tag of ['1', '2']) await images.tag('many', `${registry.address}/many:${tag}`);
      const progress = await push(`${registry.address}/many`, true);
      assert.deepEqual(
        progress.flatMap((p) => p.aux?.Tag ?? []),
        ['1', '2'],
      );
    });

    it('pulls all tags of a repository', async () => {
      await imported('local');
      for (const tag of ['1', '2', '3']) await images.tag('local', `${registry.address}/paged:${tag}`);
      await push(`${registry.address}/paged`, true);
      const other = await open('b');
      const progress: PullProgress[] = [];
      const ids = await other.pullAll(`${registry.address}/paged`, { onProgress: (p) => progress.push(p) });
      assert.equal(new Set(ids).size, 1);
      assert.equal((await other.find(ids[0] ?? ''))?.repoTags.length, 3);
      assert.deepEqual(
        statuses(progress).filter((s) => s.startsWith('Status:')),
        [`Status: Downloaded newer image for ${registry.address}/paged`],
      );
      assert.deepEqual(
        statuses(progress).filter((s) => s === 'Already exists'),
        [],
        'it is told once',
      );
      const again: PullProgress[] = [];
      await other.pullAll(`${registry.address}/paged`, { onProgress: (p) => again.push(p) });
      assert.equal(statuses(again).at(-1), `Status: Image is up to date for ${registry.address}/paged`);
      await assert.rejects(other.pullAll(`${registry.address}/nosuch`, {}), /not found/);
    });

    it('says in the words of Docker what cannot be pushed', async () => {
      await imported('known');
      await images.tag('known', `${registry.address}/known:1`);
      await assert.rejects(push(`${registry.address}/known:2`), /tag does not exist: .*\/known:2/);
      await assert.rejects(
        push(`${registry.address}/nosuch`),
        /An image does not exist locally with the tag: .*\/nosuch/,
      );
      await assert.rejects(push(`known@sha256:${'a'.repeat(64)}`), /cannot push a digest reference/);
      await images.tag('known', '127.0.0.1:1/known');
      await assert.rejects(push('127.0.0.1:1/known'), (e) => isSwarmtsError(e, 'unavailable'));
    });
  });

  describe('push to a registry that', () => {
    let registry: ScriptedRegistry;
    /** Uploads that the registry has taken, by digest. */
    let taken: Map<string, Buffer>;
    beforeEach(async () => {
      registry = await ScriptedRegistry.start();
      taken = new Map();
    });
    afterEach(() => registry.close());

    /** Takes uploads; `trouble` answers first, true when it has. */
    function takeUploads(trouble: (req: IncomingMessage, res: ServerResponse) => boolean): void {
      registry.intercept = (req, res) => {
        const path = new URL(req.url ?? '', 'http://x').pathname;
        if (trouble(req, res)) return true;
        if (req.method === 'HEAD') send(res, taken.has(path.split('/').at(-1) ?? '') ? 200 : 404, Buffer.alloc(0));
        else if (req.method === 'POST') send(res, 202, Buffer.alloc(0), { location: '/upload/1?state=x' });
        else if (req.method !== 'PUT') return false;
        else void take(req, res, path);
        return true;
      };
    }
    async function take(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(Buffer.from(chunk as Uint8Array));
      const query = new URL(req.url ?? '', 'http://x').searchParams;
      taken.set(query.get('digest') ?? path, Buffer.concat(chunks));
      send(res, 201, Buffer.alloc(0));
    }
    async function tagged(content: string): Promise<string> {
      await imported('local', content);
      await images.tag('local', `${registry.address}/app:1`);
      return `${registry.address}/app:1`;
    }

    it('breaks off gets the layer again', async () => {
      let broken = 0;
      takeUploads((req, res) => {
        if (req.method !== 'PUT' || !req.url?.startsWith('/upload') || broken >= 2) return false;
        broken++;
        if (broken === 1) res.destroy();
        else refuse(res, 503, 'UNAVAILABLE', 'later');
        return true;
      });
      await images.push(await tagged('x'), {});
      const layer = (await images.find('local'))?.layers.length;
      assert.deepEqual([broken, layer, taken.size], [2, 1, 3]);
      for (const [digest, data] of taken) if (digest.startsWith('sha256:')) assert.equal(sha256Digest(data), digest);
    });

    it('refuses gets no second try', async () => {
      let asked = 0;
      takeUploads((req, res) => {
        if (req.method !== 'POST') return false;
        asked++;
        refuse(res, 403, 'DENIED', 'no');
        return true;
      });
      await assert.rejects(images.push(await tagged('x'), {}), /denied: requested access to the resource is denied/);
      assert.equal(asked, 1);
    });

    it('wants tokens is asked for the right to write', async () => {
      const scopes: (string | null)[] = [];
      takeUploads((req, res) => {
        const url = new URL(req.url ?? '', 'http://x');
        if (url.pathname === '/token') {
          scopes.push(url.searchParams.get('scope'));
          const known = Buffer.from('me:pw').toString('base64');
          if (req.headers.authorization !== `Basic ${known}`) refuse(res, 401, 'UNAUTHORIZED', 'who');
          else send(res, 200, Buffer.from(JSON.stringify({ token: 'good' })));
          return true;
        }
        if (req.headers.authorization === 'Bearer good') return false;
        const challenge = `Bearer realm="${registry.url}/token",service="s",scope="repository:app:pull"`;
        refuse(res, 401, 'UNAUTHORIZED', 'authenticate', { 'www-authenticate': challenge });
        return true;
      });
      const ref = await tagged('x');
      await assert.rejects(images.push(ref, {}), /unauthorized/);
      await images.push(ref, { auth: { username: 'me', password: 'pw' } });
      assert.ok(
        scopes.every((s) => s === 'repository:app:pull,push'),
        scopes.join(),
      );
      assert.equal(taken.size, 3);
    });

    it('never ends can be left', async () => {
      const abort = new AbortController();
      takeUploads((req) => {
        if (req.method !== 'PUT') return false;
        // Reads nothing and answers nothing.
        setImmediate(() => abort.abort(new Error('enough')));
        return true;
      });
      await assert.rejects(images.push(await tagged('x'), { signal: abort.signal }), /enough/);
      assert.equal((await images.find('local'))?.repoDigests.length, 0);
    });
  });

  describe('a registry with passwords', () => {
    let registry: TestRegistry;
    let folder: string;
    const auth = { username: 'alice', password: 'secret' };
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'swarmts-htpasswd-'));
      writeFileSync(join(folder, 'htpasswd'), HTPASSWD);
      registry = await TestRegistry.start(`auth: {htpasswd: {realm: test, path: ${join(folder, 'htpasswd')}}}\n`);
    });
    after(async () => {
      await registry.close();
      rmSync(folder, { recursive: true });
    });

    it('takes the right one and refuses others', async () => {
      const serverAddress = registry.address;
      assert.equal(await images.login({ ...auth, serverAddress }), '');
      const wrong = images.login({ ...auth, password: 'x', serverAddress });
      await assert.rejects(wrong, (e) => isSwarmtsError(e, 'unauthenticated') && /401 Unauthorized/.test(e.message));
      await imported('guarded');
      const ref = `${registry.address}/guarded`;
      await images.tag('guarded', ref);
      await assert.rejects(images.push(ref, {}), /unauthorized|authentication required|no basic auth/);
      await images.push(ref, { auth });
      await assert.rejects((await open('b')).pull(ref, {}), /pull access denied/);
      assert.ok(await (await open('b')).pull(ref, { auth }));
    });

    it('says that nobody answers', async () => {
      await assert.rejects(
        images.login({ ...auth, serverAddress: '127.0.0.1:1' }),
        /Get "http:\/\/127\.0\.0\.1:1\/v2\/": dial tcp 127\.0\.0\.1:1: connect: connection refused/,
      );
    });
  });
});

/** alice:secret, as `htpasswd -nbB` writes it. */
const HTPASSWD = 'alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
