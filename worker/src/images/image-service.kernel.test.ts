/** Pulling, loading, tagging and removing images over real HTTP, with real unpacking. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import { type TarFile, TestRegistry, tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { LayerStore } from '../snapshots/layer-store.js';
import type { PullProgress } from './image-api.js';
import { ImageService, type ImageUser } from './image-service.js';
import { sha256Digest } from './manifest.js';
import { refuse, ScriptedRegistry, send, sendBroken } from './scripted-registry.js';

const AMD64 = { os: 'linux', architecture: 'amd64' };

describe('the image service', function () {
  this.timeout(30_000);
  let helper: PrivilegedHelper;
  let registry: ScriptedRegistry;
  let dir: string;
  let images: ImageService;
  let users: ImageUser[];
  let events: string[];

  before(async () => {
    helper = await startHelper();
  });

  after(async () => {
    await helper.close();
  });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-images-'));
    registry = await ScriptedRegistry.start();
    users = [];
    events = [];
    images = await open();
  });

  afterEach(async () => {
    await registry.close();
    if (existsSync(join(dir, 'full'))) execFileSync('umount', ['-l', join(dir, 'full')]);
    rmSync(dir, { recursive: true, force: true });
  });

  async function open(options: { mirrors?: string[]; root?: string } = {}): Promise<ImageService> {
    const root = options.root ?? dir;
    return ImageService.open({
      root: join(root, 'images'),
      layers: await LayerStore.open(join(root, 'overlay'), helper, silentLogger),
      helper,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      platform: AMD64,
      registry: { mirrors: options.mirrors ?? [] },
      users: () => users,
      emit: (e) => events.push(`${e.action} ${e.id}`),
    });
  }

  const file = (name: string, content: string): TarFile => ({ name, content });
  const layer = (content: string) => tarOf([file('file', content)]);
  const ref = (name: string, tag = 'latest') => `${registry.address}/${name}:${tag}`;
  const layerDirs = () => readdirSync(join(dir, 'overlay')).filter((n) => /^[0-9a-f]{64}$/.test(n));
  const blobs = () => readdirSync(join(dir, 'images', 'blobs', 'sha256')).map((n) => `sha256:${n}`);

  async function pull(reference: string, options: Parameters<ImageService['pull']>[1] = {}) {
    const progress: PullProgress[] = [];
    const id = await images.pull(reference, { onProgress: (p) => progress.push(p), ...options });
    return { id, progress };
  }

  describe('pull', () => {
    it('stores image, layers and names, and reports as Docker does', async () => {
      const [a, b] = [await layer('a'), await layer('b')];
      const image = registry.add('app', 'latest', [a, b]);
      const { id, progress } = await pull(`${registry.address}/app`);
      assert.equal(id, image.id);
      const info = await images.find(ref('app'));
      assert.deepEqual(info?.repoTags, [ref('app')]);
      assert.deepEqual(info?.repoDigests, [`${registry.address}/app@${image.digest}`]);
      assert.equal(info?.sizeBytes, 2);
      const short = image.layers.map((d) => d.slice(7, 19));
      const lines = progress.map((p) => (p.id ? `${p.id}: ${p.status}` : p.status));
      assert.equal(lines[0], 'latest: Pulling from app');
      for (const s of short) {
        for (const step of [
          'Pulling fs layer',
          'Verifying Checksum',
          'Download complete',
          'Extracting',
          'Pull complete',
        ]) {
          assert.ok(lines.includes(`${s}: ${step}`), `${s}: ${step}`);
        }
      }
      assert.deepEqual(lines.slice(-2), [
        `Digest: ${image.digest}`,
        `Status: Downloaded newer image for ${ref('app')}`,
      ]);
      const again = await pull(ref('app'));
      assert.ok(!again.progress.some((p) => p.id === short[0]), 'what is up to date is not told layer by layer');
      assert.equal(again.progress.at(-1)?.status, `Status: Image is up to date for ${ref('app')}`);
      assert.deepEqual(events.slice(0, 1), [`pull ${ref('app')}`]);
    });

    it('reads a list of tags page by page', async () => {
      const image = await layer('x');
      for (const tag of ['1', '2']) registry.add('app', tag, [image]);
      registry.intercept = (req, res) => {
        if (req.url === '/v2/app/tags/list') {
          send(res, 200, Buffer.from('{"tags":["1"]}'), { link: '</v2/app/tags/list?last=1&n=1>; rel="next"' });
        } else if (req.url === '/v2/app/tags/list?last=1&n=1') send(res, 200, Buffer.from('{"tags":["2"]}'));
        else return false;
        return true;
      };
      await images.pullAll(`${registry.address}/app`, {});
      assert.deepEqual((await images.list())[0]?.repoTags, [ref('app', '1'), ref('app', '2')]);
      await assert.rejects(images.pullAll(ref('app', '1'), {}), /can't be used with --all-tags/);
      registry.intercept = (_, res) => {
        send(res, 200, Buffer.from('[]'));
        return true;
      };
      await assert.rejects(images.pullAll(`${registry.address}/app`, {}), /the list of tags has no tags/);
    });

    it('pulls by digest', async () => {
      const image = registry.add('app', 'v1', [await layer('x')]);
      const { id } = await pull(`${registry.address}/app@${image.digest}`);
      assert.equal(id, image.id);
      assert.deepEqual((await images.find(id))?.repoTags, []);
      assert.equal((await images.find(`${registry.address}/app@${image.digest}`))?.id, id);
    });

    it('chooses the platform of the node from an index', async () => {
      const arm = registry.add('multi', 'arm', [await layer('arm')], { architecture: 'arm64' });
      const amd = registry.add('multi', 'amd', [await layer('amd')]);
      const entry = (i: typeof arm, architecture: string) => ({
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: i.digest,
        size: i.manifest.length,
        platform: { os: 'linux', architecture },
      });
      const type = 'application/vnd.oci.image.index.v1+json';
      const index = (...manifests: object[]) =>
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }));
      registry.put('multi', 'latest', index(entry(arm, 'arm64'), entry(amd, 'amd64')), type);
      registry.put('multi', 'armonly', index(entry(arm, 'arm64'), entry(arm, 'unknown')), type);
      const { id } = await pull(ref('multi'));
      assert.equal(id, amd.id);
      await assert.rejects(pull(ref('multi', 'armonly')), (e) => {
        assert.ok(isSwarmtsError(e, 'image-not-found'));
        assert.match(e.message, /^no matching manifest for linux\/amd64 in the manifest list entries$/);
        return true;
      });
    });

    it('goes on after a broken connection where it broke off', async () => {
      const content = await layer('z'.repeat(100_000));
      const image = registry.add('app', 'latest', [content]);
      let broken = 0;
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(image.layers[0] ?? '-') || broken++ > 0) return false;
        sendBroken(res, content, 50_000);
        return true;
      };
      await pull(ref('app'));
      const asked = registry.requests.filter((r) => r.includes(image.layers[0] ?? '-'));
      assert.equal(asked.length, 2);
      assert.match(asked[1] ?? '', / bytes=[1-9]\d*-$/);
    });

    it('begins again when the registry ignores the offset', async () => {
      const content = await layer('y'.repeat(100_000));
      const image = registry.add('app', 'latest', [content]);
      let asked = 0;
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
        if (asked++ === 0) sendBroken(res, content, 50_000);
        else send(res, 200, content);
        return true;
      };
      assert.equal((await pull(ref('app'))).id, image.id);
    });

    it('gives up after five attempts and leaves nothing but what is whole', async () => {
      const content = await layer('x'.repeat(10_000));
      const image = registry.add('app', 'latest', [content]);
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
        res.writeHead(200, { 'Content-Length': 100 });
        res.write('0123456789', () => res.destroy());
        return true;
      };
      await assert.rejects(pull(ref('app')), /broke off after \d+ of \d+ bytes: unexpected EOF$/);
      assert.equal(registry.requests.filter((r) => r.includes(image.layers[0] ?? '-')).length % 5, 0);
      assert.equal(await images.find(ref('app')), undefined);
      assert.deepEqual(readdirSync(join(dir, 'images', 'tmp')), []);
    });

    it('refuses content with another digest or size than promised', async () => {
      const content = await layer('good');
      const image = registry.add('app', 'latest', [content]);
      const bad = Buffer.from(content);
      bad[600] = 0x58;
      registry.blobs.set(image.layers[0] ?? '', bad);
      await assert.rejects(pull(ref('app')), (e) => {
        assert.ok(isSwarmtsError(e, 'corrupt'));
        assert.match(e.message, new RegExp(`filesystem layer verification failed for digest ${image.layers[0]}`));
        return true;
      });
      registry.blobs.set(image.layers[0] ?? '', Buffer.concat([content, Buffer.alloc(1)]));
      await assert.rejects(pull(ref('app')), /is longer than/);
      registry.blobs.set(image.layers[0] ?? '', content);
      await pull(ref('app'));
    });

    it('refuses a layer whose content is not what the config says', async () => {
      registry.add('app', 'latest', [await layer('real')], { diffIds: [sha256Digest(await layer('claimed'))] });
      await assert.rejects(pull(ref('app')), /layer content is sha256:\w+, the image config says/);
      assert.deepEqual(layerDirs(), []);
    });

    it('refuses broken manifests', async () => {
      for (const [text, message] of [
        ['{', /manifest is not valid JSON/],
        ['[]', /manifest is not a JSON object/],
        ['{"schemaVersion":1}', /unsupported manifest schema version 1/],
        ['{"schemaVersion":2}', /layers is missing/],
        ['{"schemaVersion":2,"layers":[{"digest":"sha256:../../x","size":1}],"config":{}}', /bad digest/],
        [`{"schemaVersion":2,"layers":[{"digest":"sha256:${'0'.repeat(64)}","size":-1}],"config":{}}`, /bad size/],
      ] as const) {
        registry.put('broken', 'latest', Buffer.from(text), 'application/vnd.oci.image.manifest.v1+json');
        await assert.rejects(pull(ref('broken')), (e) => isSwarmtsError(e, 'corrupt') && message.test(e.message), text);
      }
      const other = registry.add('app', 'latest', [await layer('x')]);
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(`/manifests/${other.digest}`)) return false;
        send(res, 200, Buffer.from('{}'));
        return true;
      };
      await assert.rejects(pull(`${registry.address}/app@${other.digest}`), /manifest verification failed for digest/);
    });

    it('says in the words of Docker what is not there or not allowed', async () => {
      await assert.rejects(pull(ref('nosuch')), (e) => {
        assert.ok(isSwarmtsError(e, 'image-not-found'));
        assert.equal(e.message, `manifest for ${ref('nosuch')} not found: manifest unknown: unknown`);
        return true;
      });
      registry.intercept = (_req, res) => {
        refuse(res, 403, 'DENIED', 'requested access to the resource is denied');
        return true;
      };
      await assert.rejects(pull(ref('private')), (e) => {
        assert.ok(isSwarmtsError(e, 'image-not-found'));
        const words =
          "repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
        assert.equal(e.message, `pull access denied for ${registry.address}/private, ${words}`);
        return true;
      });
      registry.intercept = (_req, res) => {
        refuse(res, 429, 'TOOMANYREQUESTS', 'slow down');
        return true;
      };
      await assert.rejects(pull(ref('busy')), { message: 'toomanyrequests: slow down' });
      await assert.rejects(pull('UPPER'), /repository name \(library\/UPPER\) must be lowercase/);
      await assert.rejects(
        pull('127.0.0.1:1/app'),
        (e) => isSwarmtsError(e, 'unavailable') && /127\.0\.0\.1:1/.test(e.message),
      );
    });

    it('answers basic and bearer challenges, and sends credentials nowhere else', async () => {
      const image = registry.add('app', 'latest', [await layer('x')]);
      const basic = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
      const auth = { username: 'me', password: 'pass word' };
      registry.intercept = (req, res) => {
        if (req.headers.authorization === basic) return false;
        refuse(res, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': 'Basic realm="x"' });
        return true;
      };
      await assert.rejects(pull(ref('app')), /pull access denied .* unauthorized: authentication required/);
      assert.equal((await pull(ref('app'), { auth })).id, image.id);

      registry.add('token', 'latest', [await layer('y')]);
      const tokens: string[] = [];
      registry.intercept = (req, res) => {
        if (req.url?.startsWith('/token')) {
          tokens.push(`${req.url} ${req.headers.authorization ?? 'anonymous'}`);
          if (req.headers.authorization && req.headers.authorization !== basic) refuse(res, 401, 'UNAUTHORIZED', 'no');
          else send(res, 200, Buffer.from('{"token":"t0ken"}'));
          return true;
        }
        if (req.headers.authorization === 'Bearer t0ken') return false;
        const challenge = `Bearer realm="${registry.url}/token",service="svc",scope="repository:token:pull"`;
        refuse(res, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
        return true;
      };
      await pull(ref('token'));
      assert.deepEqual(tokens, ['/token?service=svc&scope=repository%3Atoken%3Apull anonymous']);
      await pull(ref('token'), { auth });
      assert.equal(tokens[1], `/token?service=svc&scope=repository%3Atoken%3Apull&account=me ${basic}`);
      await assert.rejects(
        pull(ref('token'), { auth: { username: 'me', password: 'wrong' } }),
        /unauthorized: incorrect username or password/,
      );
    });

    it('keeps the credentials when a blob is redirected to another host', async () => {
      const other = await ScriptedRegistry.start();
      try {
        const image = registry.add('app', 'latest', [await layer('x')]);
        for (const [digest, data] of registry.blobs) other.blobs.set(digest, data);
        const auth = { username: 'me', password: 'p' };
        registry.intercept = (req, res) => {
          if (!req.headers.authorization) {
            refuse(res, 401, 'UNAUTHORIZED', 'x', { 'www-authenticate': 'Basic realm="x"' });
            return true;
          }
          if (!req.url?.includes('/blobs/')) return false;
          send(res, 307, Buffer.alloc(0), { location: `${other.url}${req.url}` });
          return true;
        };
        assert.equal((await pull(ref('app'), { auth })).id, image.id);
        assert.equal(other.authorizations.length, 2);
        assert.ok(other.authorizations.every((a) => a === undefined));
      } finally {
        await other.close();
      }
    });

    it('asks a mirror of docker.io first, without credentials, and goes on without it', async () => {
      const image = registry.add('library/app', 'latest', [await layer('x')]);
      images = await open({ mirrors: [registry.url] });
      const { id } = await pull('app', { auth: { username: 'me', password: 'p' } });
      assert.equal(id, image.id);
      assert.deepEqual((await images.find('app'))?.repoTags, ['app:latest']);
      assert.ok(registry.authorizations.every((a) => a === undefined));
      const dead = await ScriptedRegistry.start();
      const deadUrl = dead.url;
      await dead.close();
      images = await open({ mirrors: [deadUrl, registry.url], root: join(dir, 'second') });
      assert.equal((await pull('app')).id, image.id);
    });

    it('downloads a layer once when two pulls want it at the same time', async () => {
      const shared = await layer('shared'.repeat(1000));
      const one = registry.add('one', 'latest', [shared, await layer('1')]);
      registry.add('two', 'latest', [shared, await layer('2')]);
      const held: (() => void)[] = [];
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(one.layers[0] ?? '-')) return false;
        held.push(() => send(res, 200, shared));
        return true;
      };
      const pulls = [pull(ref('one')), pull(ref('two'))];
      while (registry.requests.filter((r) => r.includes('/blobs/')).length < 5)
        await new Promise((r) => setImmediate(r));
      for (const answer of held) answer();
      await Promise.all(pulls);
      assert.equal(held.length, 1);
      assert.equal(layerDirs().length, 3);
    });

    it('can be cancelled without hurting another pull of the same layer', async () => {
      const content = await layer('slow'.repeat(1000));
      const image = registry.add('app', 'latest', [content]);
      const waiting: (() => void)[] = [];
      let released = false;
      let asked = 0;
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
        asked++;
        // The other pull may have to ask again when the first one's request is given up.
        const answer = () => send(res, 200, content);
        if (released) answer();
        else waiting.push(answer);
        return true;
      };
      const abort = new AbortController();
      const cancelled = pull(ref('app'), { signal: abort.signal });
      const other = pull(ref('app'));
      while (waiting.length === 0) await new Promise((r) => setImmediate(r));
      while (registry.requests.filter((r) => r.includes('/manifests/')).length < 2)
        await new Promise((r) => setImmediate(r));
      abort.abort(new Error('changed my mind'));
      await assert.rejects(cancelled, (e) => isSwarmtsError(e, 'aborted') && /changed my mind/.test(e.message));
      released = true;
      for (const answer of waiting) answer();
      assert.equal((await other).id, image.id);
      assert.ok(asked <= 2);
      assert.deepEqual(readdirSync(join(dir, 'images', 'tmp')), []);
    });

    it('never has more than three downloads under way', async () => {
      const contents = await Promise.all(['1', '2', '3', '4', '5', '6'].map((c) => layer(c.repeat(50))));
      const image = registry.add('app', 'latest', contents);
      const waiting: (() => void)[] = [];
      registry.intercept = (req, res) => {
        const at = image.layers.findIndex((l) => req.url?.endsWith(l));
        if (at < 0) return false;
        waiting.push(() => send(res, 200, contents[at] ?? Buffer.alloc(0)));
        return true;
      };
      const running = pull(ref('app'));
      for (let answered = 0; answered < contents.length; answered++) {
        while (waiting.length < Math.min(3, contents.length - answered)) await new Promise((r) => setImmediate(r));
        for (let turns = 0; turns < 50; turns++) await new Promise((r) => setImmediate(r));
        assert.equal(waiting.length, Math.min(3, contents.length - answered));
        waiting.shift()?.();
      }
      await running;
    });

    it('says that the disk is full and leaves nothing half made', async () => {
      const root = join(dir, 'full');
      mkdirSync(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', root]);
      images = await open({ root });
      registry.add('big', 'latest', [await layer('b'.repeat(4 << 20))]);
      registry.add('unpacks', 'latest', [await layer('c'.repeat(1_200_000))]);
      for (const name of ['big', 'unpacks']) {
        await assert.rejects(
          pull(ref(name)),
          (e) => isSwarmtsError(e, 'no-space') && /no space left on device/.test(e.message),
        );
        assert.deepEqual(readdirSync(join(root, 'images', 'tmp')), []);
        assert.deepEqual(readdirSync(join(root, 'overlay')).sort(), ['base', 'l']);
        await images.collectGarbage();
      }
    });

    it('unpacks gzip, zstd and plain layers', async () => {
      const real = await TestRegistry.start();
      try {
        const tars = await Promise.all(['plain', 'gzip', 'zstd'].map((n) => tarOf([file(n, n)])));
        const [plain = Buffer.alloc(0), gzip = Buffer.alloc(0), zstd = Buffer.alloc(0)] = tars;
        const type = 'application/vnd.oci.image.layer.v1.tar';
        const { ref: reference } = await real.push('mixed', [
          { tar: plain, blob: plain, mediaType: type },
          { tar: gzip, blob: gzipSync(gzip), mediaType: `${type}+gzip` },
          { tar: zstd, blob: execFileSync('zstd', ['-q', '-c'], { input: zstd }), mediaType: `${type}+zstd` },
        ]);
        const { id } = await pull(reference);
        const stored = images.chainOf(id).map((c) => readdirSync(join(dir, 'overlay', c.slice(7), 'diff')));
        assert.deepEqual(stored, [['plain'], ['gzip'], ['zstd']]);
      } finally {
        await real.close();
      }
    });
  });

  describe('names and removal', () => {
    it('tags, finds by every name, and refuses digests as tags', async () => {
      const image = registry.add('app', 'latest', [await layer('x')]);
      const { id } = await pull(ref('app'));
      await images.tag(ref('app'), 'mine:1');
      for (const name of [id, id.slice(7), id.slice(7, 19), 'mine:1', 'docker.io/library/mine:1', ref('app')]) {
        assert.equal((await images.find(name))?.id, image.id, name);
      }
      assert.equal(await images.find('mine'), undefined);
      assert.equal(await images.find('not a reference'), undefined);
      await assert.rejects(images.tag('nosuch', 'x'), /No such image: nosuch/);
      await assert.rejects(images.tag('mine:1', `x@${id}`), /refusing to create a tag with a digest reference/);
      assert.equal(images.count, 1);
    });

    it('survives being opened again', async () => {
      registry.add('app', 'latest', [await layer('x')]);
      const { id } = await pull(ref('app'));
      images = await open();
      await images.collectGarbage();
      assert.equal((await images.find(ref('app')))?.id, id);
      assert.equal(layerDirs().length, 1);
    });

    it('untags first, and deletes with the last name what nothing else needs', async () => {
      const shared = await layer('shared');
      registry.add('one', 'latest', [shared, await layer('1')]);
      registry.add('two', 'latest', [shared]);
      const { id } = await pull(ref('one'));
      await pull(ref('two'));
      await images.tag(ref('one'), 'other');
      assert.deepEqual(await images.remove('other', false), [{ untagged: 'other:latest' }]);
      const chain = images.chainOf(id);
      const done = await images.remove(ref('one'), false);
      assert.deepEqual(done.map((d) => d.deleted).filter(Boolean), [id, chain[1]]);
      assert.equal(layerDirs().length, 1);
      assert.equal(blobs().length, 3);
      await assert.rejects(images.remove(ref('one'), false), /No such image/);
      await images.remove(ref('two'), false);
      assert.deepEqual([layerDirs(), blobs()], [[], []]);
    });

    it('protects images of containers', async () => {
      registry.add('app', 'latest', [await layer('x')]);
      const { id } = await pull(ref('app'));
      const chain = images.chainOf(id);
      users = [{ containerId: 'c'.repeat(64), imageId: id, running: true, chain }];
      await assert.rejects(images.remove(id, true), (e) => {
        assert.ok(isSwarmtsError(e, 'conflict'));
        const why = 'image is being used by running container cccccccccccc';
        assert.equal(e.message, `conflict: unable to delete ${id.slice(7, 19)} (cannot be forced) - ${why}`);
        return true;
      });
      users = [{ containerId: 'c'.repeat(64), imageId: id, running: false, chain }];
      await assert.rejects(
        images.remove(ref('app'), false),
        /unable to remove repository reference .* \(must force\) - container cccccccccccc is using/,
      );
      await images.remove(ref('app'), true);
      assert.equal(layerDirs().length, 1, 'the container still stands on the layer');
      users = [];
      await images.collectGarbage();
      assert.deepEqual(layerDirs(), []);
    });

    it('wants force for an id with names in several repositories', async () => {
      registry.add('app', 'latest', [await layer('x')]);
      const { id } = await pull(ref('app'));
      await images.tag(id, 'a');
      await assert.rejects(
        images.remove(id, false),
        /\(must be forced\) - image is referenced in multiple repositories/,
      );
      const done = await images.remove(id, true);
      assert.ok(done.some((d) => d.untagged === 'a:latest'));
      assert.equal(images.count, 0);
    });

    it('does not collect what a running pull has just stored', async () => {
      const [first, second] = [await layer('1'), await layer('2'.repeat(100))];
      const image = registry.add('app', 'latest', [first, second]);
      let release: (() => void) | undefined;
      registry.intercept = (req, res) => {
        if (!req.url?.endsWith(image.layers[1] ?? '-')) return false;
        release = () => send(res, 200, second);
        return true;
      };
      const running = pull(ref('app'));
      while (!release || layerDirs().length === 0) await new Promise((r) => setImmediate(r));
      await images.collectGarbage();
      release();
      await running;
      assert.equal(layerDirs().length, 2);
    });
  });

  describe('load', () => {
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
        assert.deepEqual(await images.load(chunks(data)), ['app:1', 'host:5000/app:2']);
        assert.equal((await images.find('app:1'))?.id, sha256Digest(cfg));
        assert.equal((await images.find('app:1'))?.layers.length, 3);
        assert.deepEqual(events.splice(0), [`load ${sha256Digest(cfg)}`]);
        await images.remove(sha256Digest(cfg), true);
        assert.deepEqual(blobs(), []);
        events.splice(0);
      }
    });

    it('takes OCI archives as skopeo writes them', async () => {
      const real = await TestRegistry.start();
      try {
        const { ref: reference, id } = await real.push('app', [{ tar: await layer('x') }]);
        const path = join(dir, 'oci.tar');
        execFileSync('skopeo', [
          'copy',
          '-q',
          '--src-tls-verify=false',
          `docker://${reference}`,
          `oci-archive:${path}:host/app:3`,
        ]);
        assert.deepEqual(await images.load(createReadStream(path)), ['host/app:3']);
        assert.equal((await images.find('host/app:3'))?.id, id);
        const docker = join(dir, 'docker.tar');
        execFileSync('skopeo', [
          'copy',
          '-q',
          '--src-tls-verify=false',
          `docker://${reference}`,
          `docker-archive:${docker}:app:4`,
        ]);
        assert.deepEqual(await images.load(createReadStream(docker)), ['app:4']);
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
        images.load(
          chunks(archive),
          undefined,
          architectures.map((architecture) => ({ os: 'linux', architecture })),
        );
      assert.deepEqual(await load('arm64'), ['arm:1']);
      assert.equal(await images.find('amd:1'), undefined);
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
      assert.deepEqual(await images.load(chunks(archive)), [sha256Digest(cfg)]);
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
        await assert.rejects(images.load(chunks(await tarOf(files))), message);
        await images.collectGarbage();
        assert.deepEqual([blobs(), layerDirs(), readdirSync(join(dir, 'images', 'tmp'))], [[], [], []]);
      }
      await assert.rejects(images.load(chunks(Buffer.alloc(700, 1))), /invalid tar archive/);
      await assert.rejects(images.load(chunks(a), AbortSignal.abort(new Error('enough'))), /enough/);
    });
  });
});
