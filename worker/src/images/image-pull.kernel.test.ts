/** Pulling images over real HTTP, with real unpacking. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError } from '@swarmts/lib';
import { TestRegistry, tarOf } from '../engine/engine-bed.js';
import { file, ImageServiceBed, layer } from './image-service-bed.js';
import { sha256Digest } from './manifest.js';
import { refuse, ScriptedRegistry, send, sendBroken } from './scripted-registry.js';

describe('pulling images', function () {
  this.timeout(30_000);
  const bed = new ImageServiceBed();

  it('stores image, layers and names, and reports as Docker does', async () => {
    const [a, b] = [await layer('a'), await layer('b')];
    const image = bed.registry.add('app', 'latest', [a, b]);
    const { id, progress } = await bed.pull(`${bed.registry.address}/app`);
    assert.equal(id, image.id);
    const info = await bed.images.find(bed.ref('app'));
    assert.deepEqual(info?.repoTags, [bed.ref('app')]);
    assert.deepEqual(info?.repoDigests, [`${bed.registry.address}/app@${image.digest}`]);
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
      `Status: Downloaded newer image for ${bed.ref('app')}`,
    ]);
    const again = await bed.pull(bed.ref('app'));
    assert.ok(!again.progress.some((p) => p.id === short[0]), 'what is up to date is not told layer by layer');
    assert.equal(again.progress.at(-1)?.status, `Status: Image is up to date for ${bed.ref('app')}`);
    assert.deepEqual(bed.events.slice(0, 1), [`pull ${bed.ref('app')}`]);
  });

  it('reads a list of tags page by page', async () => {
    const image = await layer('x');
    for (const tag of ['1', '2']) bed.registry.add('app', tag, [image]);
    bed.registry.intercept = (req, res) => {
      if (req.url === '/v2/app/tags/list') {
        send(res, 200, Buffer.from('{"tags":["1"]}'), { link: '</v2/app/tags/list?last=1&n=1>; rel="next"' });
      } else if (req.url === '/v2/app/tags/list?last=1&n=1') send(res, 200, Buffer.from('{"tags":["2"]}'));
      else return false;
      return true;
    };
    await bed.images.pullAll(`${bed.registry.address}/app`, {});
    assert.deepEqual((await bed.images.list())[0]?.repoTags, [bed.ref('app', '1'), bed.ref('app', '2')]);
    await assert.rejects(bed.images.pullAll(bed.ref('app', '1'), {}), /can't be used with --all-tags/);
    bed.registry.intercept = (_, res) => {
      send(res, 200, Buffer.from('[]'));
      return true;
    };
    await assert.rejects(bed.images.pullAll(`${bed.registry.address}/app`, {}), /the list of tags has no tags/);
  });

  it('pulls by digest', async () => {
    const image = bed.registry.add('app', 'v1', [await layer('x')]);
    const { id } = await bed.pull(`${bed.registry.address}/app@${image.digest}`);
    assert.equal(id, image.id);
    assert.deepEqual((await bed.images.find(id))?.repoTags, []);
    assert.equal((await bed.images.find(`${bed.registry.address}/app@${image.digest}`))?.id, id);
  });

  it('chooses the platform of the node from an index', async () => {
    const arm = bed.registry.add('multi', 'arm', [await layer('arm')], { architecture: 'arm64' });
    const amd = bed.registry.add('multi', 'amd', [await layer('amd')]);
    const entry = (i: typeof arm, architecture: string) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: i.digest,
      size: i.manifest.length,
      platform: { os: 'linux', architecture },
    });
    const type = 'application/vnd.oci.image.index.v1+json';
    const index = (...manifests: object[]) =>
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }));
    bed.registry.put('multi', 'latest', index(entry(arm, 'arm64'), entry(amd, 'amd64')), type);
    bed.registry.put('multi', 'armonly', index(entry(arm, 'arm64'), entry(arm, 'unknown')), type);
    const { id } = await bed.pull(bed.ref('multi'));
    assert.equal(id, amd.id);
    await assert.rejects(bed.pull(bed.ref('multi', 'armonly')), (e) => {
      assert.ok(isSwarmtsError(e, 'image-not-found'));
      assert.match(e.message, /^no matching manifest for linux\/amd64 in the manifest list entries$/);
      return true;
    });
  });

  it('goes on after a broken connection where it broke off', async () => {
    const content = await layer('z'.repeat(100_000));
    const image = bed.registry.add('app', 'latest', [content]);
    let broken = 0;
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(image.layers[0] ?? '-') || broken++ > 0) return false;
      sendBroken(res, content, 50_000);
      return true;
    };
    await bed.pull(bed.ref('app'));
    const asked = bed.registry.requests.filter((r) => r.includes(image.layers[0] ?? '-'));
    assert.equal(asked.length, 2);
    assert.match(asked[1] ?? '', / bytes=[1-9]\d*-$/);
  });

  it('begins again when the bed.registry ignores the offset', async () => {
    const content = await layer('y'.repeat(100_000));
    const image = bed.registry.add('app', 'latest', [content]);
    let asked = 0;
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
      if (asked++ === 0) sendBroken(res, content, 50_000);
      else send(res, 200, content);
      return true;
    };
    assert.equal((await bed.pull(bed.ref('app'))).id, image.id);
  });

  it('gives up after five attempts and leaves nothing but what is whole', async () => {
    const content = await layer('x'.repeat(10_000));
    const image = bed.registry.add('app', 'latest', [content]);
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
      res.writeHead(200, { 'Content-Length': 100 });
      res.write('0123456789', () => res.destroy());
      return true;
    };
    await assert.rejects(bed.pull(bed.ref('app')), /broke off after \d+ of \d+ bytes: unexpected EOF$/);
    assert.equal(bed.registry.requests.filter((r) => r.includes(image.layers[0] ?? '-')).length % 5, 0);
    assert.equal(await bed.images.find(bed.ref('app')), undefined);
    assert.deepEqual(readdirSync(join(bed.dir, 'images', 'tmp')), []);
  });

  it('refuses content with another digest or size than promised', async () => {
    const content = await layer('good');
    const image = bed.registry.add('app', 'latest', [content]);
    const bad = Buffer.from(content);
    bad[600] = 0x58;
    bed.registry.blobs.set(image.layers[0] ?? '', bad);
    await assert.rejects(bed.pull(bed.ref('app')), (e) => {
      assert.ok(isSwarmtsError(e, 'corrupt'));
      assert.match(e.message, new RegExp(`filesystem layer verification failed for digest ${image.layers[0]}`));
      return true;
    });
    bed.registry.blobs.set(image.layers[0] ?? '', Buffer.concat([content, Buffer.alloc(1)]));
    await assert.rejects(bed.pull(bed.ref('app')), /is longer than/);
    bed.registry.blobs.set(image.layers[0] ?? '', content);
    await bed.pull(bed.ref('app'));
  });

  it('refuses a layer whose content is not what the config says', async () => {
    bed.registry.add('app', 'latest', [await layer('real')], { diffIds: [sha256Digest(await layer('claimed'))] });
    await assert.rejects(bed.pull(bed.ref('app')), /layer content is sha256:\w+, the image config says/);
    assert.deepEqual(bed.layerDirs(), []);
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
      bed.registry.put('broken', 'latest', Buffer.from(text), 'application/vnd.oci.image.manifest.v1+json');
      await assert.rejects(
        bed.pull(bed.ref('broken')),
        (e) => isSwarmtsError(e, 'corrupt') && message.test(e.message),
        text,
      );
    }
    const other = bed.registry.add('app', 'latest', [await layer('x')]);
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(`/manifests/${other.digest}`)) return false;
      send(res, 200, Buffer.from('{}'));
      return true;
    };
    await assert.rejects(
      bed.pull(`${bed.registry.address}/app@${other.digest}`),
      /manifest verification failed for digest/,
    );
  });

  it('says in the words of Docker what is not there or not allowed', async () => {
    await assert.rejects(bed.pull(bed.ref('nosuch')), (e) => {
      assert.ok(isSwarmtsError(e, 'image-not-found'));
      assert.equal(e.message, `manifest for ${bed.ref('nosuch')} not found: manifest unknown: unknown`);
      return true;
    });
    bed.registry.intercept = (_req, res) => {
      refuse(res, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await assert.rejects(bed.pull(bed.ref('private')), (e) => {
      assert.ok(isSwarmtsError(e, 'image-not-found'));
      const words =
        "repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
      assert.equal(e.message, `pull access denied for ${bed.registry.address}/private, ${words}`);
      return true;
    });
    bed.registry.intercept = (_req, res) => {
      refuse(res, 429, 'TOOMANYREQUESTS', 'slow down');
      return true;
    };
    await assert.rejects(bed.pull(bed.ref('busy')), { message: 'toomanyrequests: slow down' });
    await assert.rejects(bed.pull('UPPER'), /repository name \(library\/UPPER\) must be lowercase/);
    await assert.rejects(
      bed.pull('127.0.0.1:1/app'),
      (e) => isSwarmtsError(e, 'unavailable') && /127\.0\.0\.1:1/.test(e.message),
    );
  });

  it('answers basic and bearer challenges, and sends credentials nowhere else', async () => {
    const image = bed.registry.add('app', 'latest', [await layer('x')]);
    const basic = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
    const auth = { username: 'me', password: 'pass word' };
    bed.registry.intercept = (req, res) => {
      if (req.headers.authorization === basic) return false;
      refuse(res, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': 'Basic realm="x"' });
      return true;
    };
    await assert.rejects(bed.pull(bed.ref('app')), /pull access denied .* unauthorized: authentication required/);
    assert.equal((await bed.pull(bed.ref('app'), { auth })).id, image.id);

    bed.registry.add('token', 'latest', [await layer('y')]);
    const tokens: string[] = [];
    bed.registry.intercept = (req, res) => {
      if (req.url?.startsWith('/token')) {
        tokens.push(`${req.url} ${req.headers.authorization ?? 'anonymous'}`);
        if (req.headers.authorization && req.headers.authorization !== basic) refuse(res, 401, 'UNAUTHORIZED', 'no');
        else send(res, 200, Buffer.from('{"token":"t0ken"}'));
        return true;
      }
      if (req.headers.authorization === 'Bearer t0ken') return false;
      const challenge = `Bearer realm="${bed.registry.url}/token",service="svc",scope="repository:token:pull"`;
      refuse(res, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
      return true;
    };
    await bed.pull(bed.ref('token'));
    assert.deepEqual(tokens, ['/token?service=svc&scope=repository%3Atoken%3Apull anonymous']);
    await bed.pull(bed.ref('token'), { auth });
    assert.equal(tokens[1], `/token?service=svc&scope=repository%3Atoken%3Apull&account=me ${basic}`);
    await assert.rejects(
      bed.pull(bed.ref('token'), { auth: { username: 'me', password: 'wrong' } }),
      /unauthorized: incorrect username or password/,
    );
  });

  it('keeps the credentials when a blob is redirected to another host', async () => {
    const other = await ScriptedRegistry.start();
    try {
      const image = bed.registry.add('app', 'latest', [await layer('x')]);
      for (const [digest, data] of bed.registry.blobs) other.blobs.set(digest, data);
      const auth = { username: 'me', password: 'p' };
      bed.registry.intercept = (req, res) => {
        if (!req.headers.authorization) {
          refuse(res, 401, 'UNAUTHORIZED', 'x', { 'www-authenticate': 'Basic realm="x"' });
          return true;
        }
        if (!req.url?.includes('/blobs/')) return false;
        send(res, 307, Buffer.alloc(0), { location: `${other.url}${req.url}` });
        return true;
      };
      assert.equal((await bed.pull(bed.ref('app'), { auth })).id, image.id);
      assert.equal(other.authorizations.length, 2);
      assert.ok(other.authorizations.every((a) => a === undefined));
    } finally {
      await other.close();
    }
  });

  it('asks a mirror of docker.io first, without credentials, and goes on without it', async () => {
    const image = bed.registry.add('library/app', 'latest', [await layer('x')]);
    bed.images = await bed.open({ mirrors: [bed.registry.url] });
    const { id } = await bed.pull('app', { auth: { username: 'me', password: 'p' } });
    assert.equal(id, image.id);
    assert.deepEqual((await bed.images.find('app'))?.repoTags, ['app:latest']);
    assert.ok(bed.registry.authorizations.every((a) => a === undefined));
    const dead = await ScriptedRegistry.start();
    const deadUrl = dead.url;
    await dead.close();
    bed.images = await bed.open({ mirrors: [deadUrl, bed.registry.url], root: join(bed.dir, 'second') });
    assert.equal((await bed.pull('app')).id, image.id);
  });

  it('downloads a layer once when two pulls want it at the same time', async () => {
    const shared = await layer('shared'.repeat(1000));
    const one = bed.registry.add('one', 'latest', [shared, await layer('1')]);
    bed.registry.add('two', 'latest', [shared, await layer('2')]);
    const held: (() => void)[] = [];
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(one.layers[0] ?? '-')) return false;
      held.push(() => send(res, 200, shared));
      return true;
    };
    const pulls = [bed.pull(bed.ref('one')), bed.pull(bed.ref('two'))];
    while (bed.registry.requests.filter((r) => r.includes('/blobs/')).length < 5)
      await new Promise((r) => setImmediate(r));
    for (const answer of held) answer();
    await Promise.all(pulls);
    assert.equal(held.length, 1);
    assert.equal(bed.layerDirs().length, 3);
  });

  it('can be cancelled without hurting another pull of the same layer', async () => {
    const content = await layer('slow'.repeat(1000));
    const image = bed.registry.add('app', 'latest', [content]);
    const waiting: (() => void)[] = [];
    let released = false;
    let asked = 0;
    bed.registry.intercept = (req, res) => {
      if (!req.url?.endsWith(image.layers[0] ?? '-')) return false;
      asked++;
      // The other pull may have to ask again when the first one's request is given up.
      const answer = () => send(res, 200, content);
      if (released) answer();
      else waiting.push(answer);
      return true;
    };
    const abort = new AbortController();
    const cancelled = bed.pull(bed.ref('app'), { signal: abort.signal });
    const other = bed.pull(bed.ref('app'));
    while (waiting.length === 0) await new Promise((r) => setImmediate(r));
    while (bed.registry.requests.filter((r) => r.includes('/manifests/')).length < 2)
      await new Promise((r) => setImmediate(r));
    abort.abort(new Error('changed my mind'));
    await assert.rejects(cancelled, (e) => isSwarmtsError(e, 'aborted') && /changed my mind/.test(e.message));
    released = true;
    for (const answer of waiting) answer();
    assert.equal((await other).id, image.id);
    assert.ok(asked <= 2);
    assert.deepEqual(readdirSync(join(bed.dir, 'images', 'tmp')), []);
  });

  it('never has more than three downloads under way', async () => {
    const contents = await Promise.all(['1', '2', '3', '4', '5', '6'].map((c) => layer(c.repeat(50))));
    const image = bed.registry.add('app', 'latest', contents);
    const waiting: (() => void)[] = [];
    bed.registry.intercept = (req, res) => {
      const at = image.layers.findIndex((l) => req.url?.endsWith(l));
      if (at < 0) return false;
      waiting.push(() => send(res, 200, contents[at] ?? Buffer.alloc(0)));
      return true;
    };
    const running = bed.pull(bed.ref('app'));
    for (let answered = 0; answered < contents.length; answered++) {
      while (waiting.length < Math.min(3, contents.length - answered)) await new Promise((r) => setImmediate(r));
      for (let turns = 0; turns < 50; turns++) await new Promise((r) => setImmediate(r));
      assert.equal(waiting.length, Math.min(3, contents.length - answered));
      waiting.shift()?.();
    }
    await running;
  });

  it('says that the disk is full and leaves nothing half made', async () => {
    const root = join(bed.dir, 'full');
    mkdirSync(root);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', root]);
    bed.images = await bed.open({ root });
    bed.registry.add('big', 'latest', [await layer('b'.repeat(4 << 20))]);
    bed.registry.add('unpacks', 'latest', [await layer('c'.repeat(1_200_000))]);
    for (const name of ['big', 'unpacks']) {
      await assert.rejects(
        bed.pull(bed.ref(name)),
        (e) => isSwarmtsError(e, 'no-space') && /no space left on device/.test(e.message),
      );
      assert.deepEqual(readdirSync(join(root, 'images', 'tmp')), []);
      assert.deepEqual(readdirSync(join(root, 'overlay')).sort(), ['base', 'l']);
      await bed.images.collectGarbage();
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
      const { id } = await bed.pull(reference);
      const stored = bed.images.chainOf(id).map((c) => readdirSync(join(bed.dir, 'overlay', c.slice(7), 'diff')));
      assert.deepEqual(stored, [['plain'], ['gzip'], ['zstd']]);
    } finally {
      await real.close();
    }
  });
});
