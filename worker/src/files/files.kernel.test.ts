/** Files of containers: in, out, and what has changed; also against containers that want to lead us out. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { extract } from 'tar-stream';
import type { ContainerConfig } from '../engine/container-config.js';
import {
  busyboxLayer,
  containerConfig,
  EngineBed,
  eventually,
  outputOf,
  TestRegistry,
  tarOf,
} from '../engine/engine-bed.js';

describe('files of containers', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  let outside: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    outside = mkdtempSync(join(tmpdir(), 'swarmts-outside-'));
    writeFileSync(join(outside, 'secret'), 'of the host');
    const layer = await busyboxLayer([
      { name: 'data/', type: 'directory' },
      { name: 'data/a', content: 'aaa' },
      { name: 'data/b', content: 'bbb' },
      { name: 'data/link', type: 'symlink', linkname: '/etc/passwd' },
    ]);
    image = (await registry.push('busybox', [{ tar: layer }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
    rmSync(outside, { recursive: true, force: true });
  });

  async function started(script: string, more: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script], more));
    await bed.engine.start(id);
    return id;
  }

  async function contentsOf(archive: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    const reader = extract();
    const done = new Promise((resolve, reject) => reader.on('finish', resolve).on('error', reject));
    reader.on('entry', (header, stream, next) => {
      const chunks: Buffer[] = [];
      stream.on('data', (c: Buffer) => chunks.push(c));
      stream.on('end', () => {
        files[header.name] = header.linkname ? `-> ${header.linkname}` : Buffer.concat(chunks).toString();
        next();
      });
    });
    for await (const chunk of archive) reader.write(chunk);
    reader.end();
    await done;
    return files;
  }

  async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
    yield bytes;
  }

  const put = async (id: string, path: string, files: Parameters<typeof tarOf>[0], keepKinds = true, ownIds = false) =>
    bed.engine.writeArchive(id, path, one(await tarOf(files)), { keepKinds, ownIds });

  for (const running of [true, false]) {
    it(`go in and out of a container that ${running ? 'runs' : 'does not run'}, volumes included`, async () => {
      const mounts = [{ type: 'volume', source: '', target: '/volume', readOnly: false } as const];
      const id = await started(running ? 'sleep 1000' : 'true', { mounts });
      if (!running) await bed.engine.wait(id);
      await put(id, '/volume', [
        { name: 'x/', type: 'directory' },
        { name: 'x/new', content: 'n'.repeat(300_000) },
      ]);
      assert.deepEqual(await contentsOf(bed.engine.readArchive(id, '/data')), {
        'data/': '',
        'data/a': 'aaa',
        'data/b': 'bbb',
        'data/link': '-> /etc/passwd',
      });
      assert.deepEqual(await contentsOf(bed.engine.readArchive(id, '/data/.')), {
        './': '',
        './a': 'aaa',
        './b': 'bbb',
        './link': '-> /etc/passwd',
      });
      assert.deepEqual(Object.keys(await contentsOf(bed.engine.readArchive(id, '/volume/x/new'))), ['new']);
      const stat = await bed.engine.statPath(id, '/data/link');
      assert.deepEqual([stat.name, stat.linkTarget], ['link', '/etc/passwd']);
      const exported = await contentsOf(bed.engine.export(id));
      assert.equal(exported['data/a'], 'aaa');
      assert.ok(!Object.keys(exported).some((n) => n.startsWith('volume/x')));
      await bed.engine.remove(id, { force: true, volumes: true });
      assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(id));
    });
  }

  it('come out of the top of a container that runs, without those that the kernel makes up', async () => {
    const id = await started('sleep 1000');
    const names = Object.keys(await contentsOf(bed.engine.readArchive(id, '/.')));
    for (const name of ['./data/a', './proc/', './sys/', './dev/pts/', './dev/null'])
      assert.ok(names.includes(name), name);
    assert.deepEqual(
      names.filter((n) => /^.\/(proc|sys|dev\/pts)\/./.test(n)),
      [],
    );
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('go into volumes and onto files of a container that was never started, beside what the image has there', async () => {
    const mounts = [
      { type: 'volume', source: '', target: '/new/volume', readOnly: false },
      { type: 'volume', source: '', target: '/data', readOnly: false },
      { type: 'bind', source: join(outside, 'secret'), target: '/etc/own/secret', readOnly: true },
    ] as const;
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', 'ls /data /new/volume'], { mounts }));
    await put(id, '/new/volume', [{ name: 'x', content: 'x' }]);
    await put(id, '/data', [{ name: 'c', content: 'ccc' }]);
    const data = await contentsOf(bed.engine.readArchive(id, '/data/.'));
    assert.deepEqual([data['./a'], data['./c']], ['aaa', 'ccc']);
    assert.deepEqual(await contentsOf(bed.engine.readArchive(id, '/etc/own/secret')), { secret: 'of the host' });
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(id));
    await bed.engine.start(id);
    await bed.engine.wait(id);
    assert.equal(await outputOf(bed.engine, id), '/data:\na\nb\nc\nlink\n\n/new/volume:\nx\n');
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('have the working directory before the first start, below what is mounted', async () => {
    const mounts = [{ type: 'volume', source: '', target: '/home/foo/vol', readOnly: false }] as const;
    const id = await bed.engine.create(containerConfig(image, ['true'], { workingDir: '/home/foo/bar', mounts }));
    assert.equal((await bed.engine.statPath(id, '/home/foo/bar')).name, 'bar');
    assert.deepEqual(await contentsOf(bed.engine.readArchive(id, '/home/foo/bar')), { 'bar/': '' });
    await bed.engine.remove(id, { force: true, volumes: true });
    const odd = await bed.engine.create(containerConfig(image, ['true'], { workingDir: '/data/a' }));
    assert.deepEqual(await contentsOf(bed.engine.readArchive(odd, '/data/a')), { a: 'aaa' });
    await assert.rejects(bed.engine.start(odd), /Cannot mkdir: \/data\/a is not a directory/);
    await bed.engine.remove(odd, { force: true, volumes: true });
  });

  it('are not written where the container may only read', async () => {
    const mounts = [
      { type: 'bind', source: outside, target: '/ro', readOnly: true },
      { type: 'tmpfs', source: '', target: '/ro/rw', readOnly: false },
      { type: 'bind', source: outside, target: '/rw', readOnly: false },
    ] as const;
    const script = 'ln -s /ro /to-ro; echo linked; sleep 1000';
    const id = await started(script, { mounts: mounts.filter((m) => m.type === 'bind') });
    await eventually(async () => (await outputOf(bed.engine, id)) === 'linked\n', 'the link is there');
    const write = (path: string, container = id) => put(container, path, [{ name: 'f', content: 'x' }]);
    const volume = { message: 'mounted volume is marked read-only' };
    await assert.rejects(write('/ro'), volume);
    await assert.rejects(write('/to-ro'), volume);
    await bed.engine.remove(id, { force: true, volumes: false });
    const closed = await bed.engine.create(containerConfig(image, ['true'], { readOnlyRootfs: true, mounts }));
    await assert.rejects(write('/ro', closed), volume);
    await assert.rejects(write('/data', closed), { message: 'container rootfs is marked read-only' });
    await write('/rw', closed);
    assert.ok(existsSync(join(outside, 'f')));
    rmSync(join(outside, 'f'));
    await bed.engine.remove(closed, { force: true, volumes: false });
  });

  it('are those of an image that is mounted, which nobody changes or removes', async () => {
    const other = (
      await registry.push('other', [{ tar: await tarOf([{ name: 'dir/f', content: 'of the image' }]) }], {})
    ).ref;
    const pulled = await bed.engine.images.pull(other, {});
    const of = { type: 'image', source: other, readOnly: false } as const;
    const mounts = [
      { ...of, target: '/image' },
      { ...of, target: '/part', imageSubpath: 'dir' },
    ] as const;
    const script = 'cat /image/dir/f /part/f; touch /image/x 2>&1 | grep -c Read-only; sleep 1000';
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script], { mounts }));
    assert.deepEqual(await contentsOf(bed.engine.readArchive(id, '/part/f')), { f: 'of the image' });
    await assert.rejects(put(id, '/image', [{ name: 'x', content: 'x' }]), /mounted volume is marked read-only/);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(id));
    await bed.engine.start(id);
    await eventually(
      async () => (await outputOf(bed.engine, id)) === 'of the imageof the image1\n',
      'it has read the image',
    );
    await assert.rejects(bed.engine.images.remove(pulled, false), (e) => isSwarmtsError(e, 'conflict'));
    await bed.engine.images.remove(other, true).catch(() => undefined);
    await bed.engine.stop(id, 0);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(id));
    await bed.engine.start(id);
    await bed.engine.remove(id, { force: true, volumes: true });
    const wrong = (more: object, message: RegExp) =>
      assert.rejects(
        bed.engine.create(containerConfig(image, ['true'], { mounts: [{ ...of, target: '/x', ...more }] })),
        message,
      );
    await wrong({ source: 'nosuch:1' }, /^SwarmtsError: No such image: nosuch:1$/);
    const missing = containerConfig(image, ['true'], { mounts: [{ ...of, source: 'nosuch:1', target: '/x' }] });
    await assert.rejects(bed.engine.create(missing), (e) => isSwarmtsError(e, 'invalid-argument'));
    await wrong({ source: image, imageSubpath: '../x' }, /subpath must be a relative path within the image$/);
  });

  it('are let go of when whoever reads them has gone, however early', async () => {
    const id = await bed.engine.create(containerConfig(image, ['true']));
    for (let i = 0; i < 5; i++) {
      const gone = new AbortController();
      const archive = bed.engine.readArchive(id, '/', gone.signal);
      if (i === 0) gone.abort();
      else setTimeout(() => gone.abort(), i * 3);
      await assert.rejects(async () => {
        for await (const _ of archive) await new Promise((resolve) => setTimeout(resolve, 20));
      });
    }
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('say what is not there, and what a place is not', async () => {
    const id = await started('sleep 1000', { readOnlyRootfs: true });
    const notFound = `Could not find the file /nope in container ${id}`;
    await assert.rejects(
      bed.engine.statPath(id, '/nope'),
      (e) => isSwarmtsError(e, 'not-found') && e.message === notFound,
    );
    await assert.rejects(put(id, '/data', []), /container rootfs is marked read-only/);
    await bed.engine.remove(id, { force: true, volumes: false });
    const other = await started('sleep 1000');
    await assert.rejects(put(other, '/nope', []), (e) => isSwarmtsError(e, 'not-found'));
    await assert.rejects(put(other, '/data/a', []), /extraction point is not a directory/);
    const file = [{ name: 'data', content: 'no directory' }];
    await assert.rejects(put(other, '/', file), /cannot overwrite directory "\/data" with non-directory "data"/);
    await assert.rejects(
      bed.engine.writeArchive(other, '/', one(Buffer.alloc(2000, 'x')), { keepKinds: true, ownIds: false }),
      (e) => isSwarmtsError(e, 'invalid-argument'),
    );
    await bed.engine.remove(other, { force: true, volumes: false });
  });

  it('come out as what they are when they are devices and pipes', async () => {
    const id = await started('mkfifo /pipe; sleep 1000');
    await eventually(async () => (await bed.engine.exec(id, ['test', '-p', '/pipe'], {})).code === 0, 'it is there');
    const kindOf = async (path: string) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of bed.engine.readArchive(id, path)) chunks.push(chunk);
      const archive = Buffer.concat(chunks);
      const number = (at: number) => Number.parseInt(archive.toString('latin1', at, at + 7), 8);
      return [archive.toString('latin1', 156, 157), number(329), number(337), archive.length];
    };
    assert.deepEqual(await kindOf('/dev/null'), ['3', 1, 3, 1536]);
    assert.deepEqual(await kindOf('/pipe'), ['6', 0, 0, 1536]);
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('are taken from archives of every compression, which the container has no part in', async () => {
    const id = await started(
      "printf '#!/bin/sh\\ntouch /ran\\nexec cat' > /bin/xz; chmod 755 /bin/xz; mkdir /out; sleep 1000",
    );
    await eventually(async () => (await bed.engine.exec(id, ['test', '-d', '/out'], {})).code === 0, 'it is ready');
    const pack = { gz: 'gzip', bz2: 'bzip2', xz: 'xz', zst: 'zstd' };
    for (const [name, program] of Object.entries(pack)) {
      const tar = await tarOf([{ name, content: name.repeat(100_000) }]);
      const archive = execFileSync(program, ['-c'], { input: tar, maxBuffer: 1 << 24 });
      await bed.engine.writeArchive(id, '/out', one(archive), { keepKinds: true, ownIds: false });
      const files = await contentsOf(bed.engine.readArchive(id, `/out/${name}`));
      assert.equal(files[name], name.repeat(100_000));
      const cut = archive.subarray(0, archive.length / 2);
      const broken = bed.engine.writeArchive(id, '/out', one(cut), { keepKinds: true, ownIds: false });
      await assert.rejects(broken, (e) => isSwarmtsError(e, 'invalid-argument'), name);
    }
    assert.notEqual((await bed.engine.exec(id, ['test', '-e', '/ran'], {})).code, 0);
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('belong to the user of the container when asked', async () => {
    const id = await started('sleep 1000', { user: 'alice' });
    await put(id, '/tmp', [{ name: 'own', content: 'x', uid: 5, gid: 6 }], true, true);
    await put(id, '/tmp', [{ name: 'kept', content: 'x', uid: 5, gid: 6 }]);
    const ids = await bed.engine.exec(id, ['stat', '-c', '%u:%g', '/tmp/own', '/tmp/kept'], {});
    assert.equal(Buffer.from(ids.stdout).toString(), '1000:1000\n5:6\n');
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('cannot be led out by links', async () => {
    const id = await started(
      `mkdir -p /w; ln -s ${outside} /w/abs; ln -s ../../../../../../${outside} /w/rel; sleep 1000`,
    );
    await eventually(
      async () => (await bed.engine.exec(id, ['test', '-L', '/w/rel'], {})).code === 0,
      'the links are there',
    );
    for (const path of ['/w/abs/secret', '/w/rel/secret', `/proc/1/root${outside}/secret`])
      await assert.rejects(contentsOf(bed.engine.readArchive(id, path)), (e) => isSwarmtsError(e, 'not-found'), path);
    await assert.rejects(put(id, '/w/abs', [{ name: 'planted', content: 'x' }]));
    await put(id, '/w', [
      { name: 'deep', type: 'symlink', linkname: outside },
      { name: 'deep/planted', content: 'x' },
    ]).catch(() => undefined);
    assert.ok(!existsSync(join(outside, 'planted')));
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('cannot be led out by a container that swaps a directory for a link as fast as it can', async () => {
    const swap = `mkdir -p /race/real; ln -s ${outside} /race/bad; cd /race; while :; do mv -T real d; mv -T d real; mv -T bad d; mv -T d bad; done`;
    const id = await started(swap);
    const results = new Set<string>();
    for (let i = 0; i < 12; i++) {
      await put(id, '/race/d', [{ name: 'planted', content: 'x' }]).catch(() => undefined);
      for (const [name, text] of Object.entries(
        await contentsOf(bed.engine.readArchive(id, '/race')).catch(() => ({}) as Record<string, string>),
      ))
        results.add(`${name}=${text}`);
    }
    assert.ok(!existsSync(join(outside, 'planted')));
    assert.ok(![...results].some((r) => r.includes('of the host')));
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('are compared with the image', async () => {
    const id = await started(
      'echo new > /data/new; rm /data/a; echo more >> /data/b; mkdir /fresh; echo x > /fresh/f',
      {
        mounts: [{ type: 'tmpfs', source: '', target: '/mnt', readOnly: false }],
      },
    );
    await bed.engine.wait(id);
    assert.deepEqual(
      (await bed.engine.changes(id)).map((c) => `${c.kind} ${c.path}`),
      ['modified /data', 'deleted /data/a', 'modified /data/b', 'added /data/new', 'added /fresh', 'added /fresh/f'],
    );
    const untouched = await bed.engine.create(containerConfig(image, ['true']));
    assert.deepEqual(await bed.engine.changes(untouched), []);
    assert.equal(await outputOf(bed.engine, id), '');
  });
});
