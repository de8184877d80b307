/** Builds with real layers and real containers. Needs root, an OCI runtime and conmon. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Dockerfiles are written so.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError } from '@swarmts/lib';
import {
  busyboxLayer,
  containerConfig,
  EngineBed,
  runToEnd,
  type TarFile,
  TestRegistry,
  tarOf,
} from '../engine/engine-bed.js';
import type { PullProgress } from '../images/image-api.js';
import type { BuildOptions, BuildRecord } from './build-api.js';
import { BUILD_LABEL, BuildCommandError, KEPT } from './run-step.js';

describe('a build', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let base: string;
  before(async () => {
    [bed, registry] = [await EngineBed.start(), await TestRegistry.start()];
    base = (await registry.push('base', [{ tar: await busyboxLayer() }], { Cmd: ['sh'], Env: ['PATH=/bin'] })).ref;
  });
  after(async () => {
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'build')), []);
    assert.equal(execFileSync('mount', { encoding: 'utf8' }).includes(join(bed.dataRoot, 'build')), false);
    await bed.close();
    await registry.close();
  });

  interface Built {
    readonly id: string;
    readonly out: string;
    readonly progress: readonly PullProgress[];
  }
  async function* chunks(data: Buffer) {
    yield data;
  }

  async function build(
    dockerfile: string,
    files: readonly TarFile[] = [],
    more: Partial<BuildOptions> = {},
  ): Promise<Built> {
    let out = '';
    const progress: PullProgress[] = [];
    const report = async (r: BuildRecord) => {
      if ('stream' in r) out += r.stream;
      else progress.push(r);
    };
    const context = chunks(
      await tarOf([{ name: 'Dockerfile', content: dockerfile.replaceAll('BASE', base) }, ...files]),
    );
    const id = await bed.engine.build({
      dockerfile: 'Dockerfile',
      tags: [],
      buildArgs: new Map(),
      labels: {},
      target: '',
      noCache: false,
      cacheFrom: [],
      pull: false,
      remove: true,
      forceRemove: true,
      networkMode: 'none',
      extraHosts: [],
      resources: { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 },
      shmSizeBytes: 0,
      confinement: {},
      authOf: () => undefined,
      context,
      report,
      ...more,
    });
    return { id, out, progress };
  }
  const outputOf = async (image: string, ...command: string[]) =>
    (await runToEnd(bed.engine, containerConfig(image, command))).output;
  const configOf = async (image: string) => (await bed.engine.images.find(image))?.config;
  const fails = (work: Promise<unknown>, message: RegExp) =>
    assert.rejects(work, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));

  it('goes through the steps and says so as Docker does', async () => {
    const events: string[] = [];
    const end = bed.engine.onEvent(
      (e) => e.type === 'image' && events.push(`${e.action} ${e.id} ${e.attributes.name}`),
    );
    const { id, out, progress } = await build(
      'FROM BASE\nENV NAME=world\nRUN echo "hello $NAME" >/hello && cat /hello\nCMD ["cat", "/hello"]\n',
      [],
      { tags: ['greeting:1', 'greeting:2'] },
    );
    end();
    assert.deepEqual(events.slice(-3), [`create ${id} ${id}`, `tag ${id} greeting:1`, `tag ${id} greeting:2`]);
    const short = /[0-9a-f]{12}/.source;
    const cmd = id.slice(7, 19);
    assert.match(
      out,
      new RegExp(
        `^Step 1/4 : FROM ${base}\n ---> ${short}\nStep 2/4 : ENV NAME=world\n ---> ${short}\n` +
          `Step 3/4 : RUN echo "hello \\$NAME" >/hello && cat /hello\n ---> Running in ${short}\nhello world\n` +
          `Removing intermediate container ${short}\n ---> ${short}\nStep 4/4 : CMD \\["cat", "/hello"\\]\n` +
          ` ---> ${cmd}\nSuccessfully built ${cmd}\nSuccessfully tagged greeting:1\nSuccessfully tagged greeting:2\n$`,
      ),
    );
    assert.ok(progress.some((p) => /^Status: Downloaded newer image/.test(p.status ?? '')));
    assert.deepEqual(progress.at(-1)?.aux, { ID: id });
    assert.equal(await outputOf('greeting:2', 'cat', '/hello'), 'hello world\n');
    const history = await bed.engine.images.history(id);
    assert.deepEqual(
      history.map((h) => h.createdBy),
      [
        '/bin/sh -c #(nop)  CMD ["cat" "/hello"]',
        '/bin/sh -c echo "hello $NAME" >/hello && cat /hello',
        '/bin/sh -c #(nop)  ENV NAME=world',
      ],
    );
    assert.equal(bed.engine.list().filter((c) => c.config.name.startsWith('build-')).length, 0);
  });

  it('keeps nothing that the engine made for the command', async () => {
    const { id } = await build('FROM BASE\nRUN true\nRUN touch /only\n');
    assert.equal((await bed.engine.images.find(id))?.layers.length, 2, 'a command that changes nothing adds no layer');
    const list = await outputOf(id, 'ls', '/');
    assert.match(list, /only/);
    const archive: Buffer[] = [];
    for await (const c of bed.engine.images.save([id])) archive.push(Buffer.from(c));
    const top = (await bed.engine.images.history(id))[0];
    assert.equal(top?.sizeBytes, 0);
  });

  it('takes every instruction', async () => {
    const { id } = await build(
      [
        'ARG VERSION=9',
        'FROM BASE',
        'MAINTAINER me',
        'ARG VERSION',
        'ARG WITH=default',
        'ENV V=$VERSION W=${WITH}',
        'LABEL a=$V "b c"=d',
        'WORKDIR /srv/app',
        'WORKDIR sub',
        'RUN pwd > where && echo "$WITH" > arg',
        'EXPOSE 80 53/udp',
        'VOLUME /data',
        'USER alice',
        'RUN id -u > /tmp/uid',
        'STOPSIGNAL SIGINT',
        'SHELL ["/bin/sh", "-ec"]',
        'HEALTHCHECK --interval=5s CMD true',
        'ONBUILD RUN touch /triggered',
        'ENTRYPOINT ["cat"]',
        'CMD where',
      ].join('\n'),
      [],
      { buildArgs: new Map([['WITH', 'given']]), labels: { extra: 'x$y "z"' } },
    );
    const config = await configOf(id);
    assert.deepEqual(config, {
      Env: ['PATH=/bin', 'V=9', 'W=given'],
      Cmd: ['/bin/sh', '-ec', 'where'],
      Entrypoint: ['cat'],
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5e9 },
      Labels: { a: '9', 'b c': 'd', extra: 'x$y "z"' },
      OnBuild: ['RUN touch /triggered'],
      Shell: ['/bin/sh', '-ec'],
      StopSignal: 'SIGINT',
      User: 'alice',
      Volumes: { '/data': {} },
      WorkingDir: '/srv/app/sub',
    });
    assert.equal((await bed.engine.images.find(id))?.author, 'me');
    const shown = await runToEnd(bed.engine, { ...containerConfig(id, ['where', 'arg', '/tmp/uid']), user: '0' });
    assert.equal(shown.output, '/srv/app/sub\ngiven\n1000\n');
    await bed.engine.images.tag(id, 'trigger');
    const child = await build('FROM trigger\nUSER root\nENTRYPOINT []\n', [], {}).catch((e: unknown) => e);
    // The trigger runs as the user of the image, who may not write there.
    assert.ok(child instanceof BuildCommandError && /touch \/triggered/.test(child.message));
  });

  it('runs triggers of the base image, once', async () => {
    await build('FROM BASE\nONBUILD COPY file /copied\nONBUILD RUN cat /copied\n', [], { tags: ['onbuild'] });
    const { id, out } = await build('FROM onbuild\n', [{ name: 'file', content: 'from the context\n' }]);
    assert.match(out, /# Executing 2 build triggers\n[\s\S]*from the context\n/);
    assert.equal((await configOf(id))?.OnBuild, undefined);
  });

  it('takes what has not changed from the cache, and nothing after what has', async () => {
    const file = 'FROM BASE\nCOPY a /a\nRUN cat /a\nRUN echo last\n';
    const first = await build(file, [{ name: 'a', content: '1' }]);
    const same = await build(file, [{ name: 'a', content: '1', mtime: new Date(1e12) }]);
    assert.equal(same.id, first.id);
    assert.equal(same.out.match(/Using cache/g)?.length, 3);
    const changed = await build(file, [{ name: 'a', content: '2' }]);
    assert.equal(changed.out.includes('Using cache'), false);
    const fresh = await build(file, [{ name: 'a', content: '1' }], { noCache: true });
    assert.equal(fresh.out.includes('Using cache'), false);
    const ports = (text: string) => build(`FROM BASE\nEXPOSE ${text}\n`);
    assert.equal((await ports('80 443')).id, (await ports('443 80')).id);
    const arg = 'FROM BASE\nARG X\nRUN echo $X >/x\n';
    const x = (value: string) => build(arg, [], { buildArgs: new Map([['X', value]]) });
    const one = await x('1');
    assert.equal((await x('1')).id, one.id);
    assert.equal(await outputOf((await x('2')).id, 'cat', '/x'), '2\n');
    await bed.engine.images.remove(one.id, true);
    assert.equal(await outputOf((await x('1')).id, 'cat', '/x'), '1\n');
  });

  it('takes steps from images of elsewhere that are named, and only from those', async () => {
    const file = 'FROM BASE\nENV A=1\nRUN echo once >/once\nCOPY f /f\nCMD ["cat", "/f"]\n';
    const name = `${registry.address}/cached:1`;
    const first = await build(file, [{ name: 'f', content: '1' }], { tags: [name] });
    await bed.engine.images.push(name, {});
    const { images } = bed.engine;
    await images.remove(name, true);
    assert.equal(await images.find(first.id), undefined);
    await images.pull(name, {});
    const build2 = (content: string, cacheFrom: readonly string[]) =>
      build(file, [{ name: 'f', content }], { cacheFrom });
    const same = await build2('1', ['not-here', name]);
    assert.deepEqual([same.out.match(/Using cache/g)?.length, same.id], [4, first.id]);
    const other = await build2('2', [name]);
    assert.equal(other.out.match(/Using cache/g)?.length, 2);
    assert.equal(await outputOf(other.id, 'cat', '/once', '/f'), 'once\n2');
    assert.equal((await build2('2', [base])).out.includes('Using cache'), false, 'what was built here does not count');
    assert.equal((await build2('2', [other.id])).id, other.id);
    assert.equal((await build2('1', ['not-here'])).out.includes('Using cache'), false);
  });

  it('limits and confines commands as it is told', async () => {
    const { out } = await build('FROM BASE\nRUN grep -E "^(NoNewPrivs|Cpus_allowed_list)" /proc/self/status\n', [], {
      noCache: true,
      resources: { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0, cpusetCpus: '0' },
      confinement: { noNewPrivileges: true },
    });
    assert.match(out, /NoNewPrivs:\t1\nCpus_allowed_list:\t0\n/);
    const nowhere = build('FROM BASE\nRUN true\n', [], {
      noCache: true,
      resources: { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0, cpusetCpus: '99' },
    });
    await fails(nowhere, /^Requested CPUs are not available - requested 99, available: /);
  });

  it('copies by the rules of Docker', async () => {
    const files: TarFile[] = [
      { name: 'one', content: '1', mode: 0o4755, uid: 5, gid: 6 },
      { name: 'two.txt', content: '2' },
      { name: 'dir/', type: 'directory' },
      { name: 'dir/in', content: 'in' },
      { name: 'dir/sub/', type: 'directory', mode: 0o700 },
      { name: 'dir/sub/deep', content: 'deep' },
      { name: 'dir/link', type: 'symlink', linkname: 'in' },
      { name: 'with space', content: 's' },
    ];
    const { id } = await build(
      [
        'FROM BASE',
        'WORKDIR /w',
        'COPY one renamed',
        'COPY one two.txt /several/',
        'COPY dir /whole',
        'COPY dir/ /whole/again/',
        'COPY *.txt d?r/in ./',
        'COPY --chown=alice:staff one /owned/one',
        'COPY --chown=7 --chmod=640 dir /sevens',
        'COPY ["with space", "/with space"]',
        'COPY . /everything',
        'RUN ln -s /elsewhere /absolute',
        'COPY one /absolute/through',
      ].join('\n'),
      files,
    );
    const stat = (path: string) => outputOf(id, 'stat', '-c', '%a %u %g', path);
    assert.equal(await stat('/w/renamed'), '4755 0 0\n');
    assert.equal(await stat('/owned/one'), '4755 1000 50\n');
    assert.equal(await stat('/owned'), '755 1000 50\n');
    assert.equal(await stat('/sevens/sub/deep'), '640 7 7\n');
    assert.equal(await stat('/whole/sub'), '700 0 0\n');
    const list = await outputOf(
      id,
      'sh',
      '-c',
      'ls /several /whole /whole/again /w "/with space" /elsewhere; cat /whole/link',
    );
    assert.equal(
      list.replace(/\s+/g, ' '),
      '/with space /elsewhere: through /several: one two.txt /w: in renamed two.txt /whole: again in link sub /whole/again: in link sub in',
    );
    assert.match(await outputOf(id, 'ls', '/everything'), /Dockerfile\ndir\none/);
  });

  it('adds archives and downloads', async () => {
    const inner = await tarOf([{ name: 'x/file', content: 'inner', uid: 3, gid: 4 }]);
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-add-'));
    writeFileSync(join(dir, 'a.tar'), inner);
    const packed = (program: string) => execFileSync(program, ['-c', join(dir, 'a.tar')]);
    let server: Server | undefined;
    try {
      const listening = createServer((req, res) => {
        res.writeHead(req.url === '/file.tar' ? 200 : 404, { 'last-modified': 'Thu, 01 Jan 2015 00:00:00 GMT' });
        res.end(inner);
      });
      server = listening;
      await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
      const { id } = await build(
        `FROM BASE\nADD a.tar /plain\nADD a.tgz /gz/\nADD a.xz /xz/\nADD a.bz2 /bz2/\nADD text /text\nADD ${url}/file.tar /got/\n`,
        [
          { name: 'a.tar', content: inner },
          { name: 'a.tgz', content: gzipSync(inner) },
          { name: 'a.xz', content: packed('xz') },
          { name: 'a.bz2', content: packed('bzip2') },
          { name: 'text', content: 'no archive' },
        ],
      );
      for (const d of ['plain', 'gz', 'xz', 'bz2']) {
        assert.equal(await outputOf(id, 'cat', `/${d}/x/file`), 'inner', d);
      }
      assert.equal(await outputOf(id, 'stat', '-c', '%u %g', '/plain/x/file'), '3 4\n');
      assert.equal(await outputOf(id, 'cat', '/text'), 'no archive');
      assert.equal(await outputOf(id, 'stat', '-c', '%a %s %Y', '/got/file.tar'), `600 ${inner.length} 1420070400\n`);
      await fails(
        build(`FROM BASE\nADD ${url}/nosuch /x\n`).catch(asInvalid),
        /failed to GET .*nosuch with status 404/,
      );
      await fails(
        build('FROM BASE\nADD http://127.0.0.1:1/file /x\n').catch(asInvalid),
        /ADD failed: Get "http:\/\/127.0.0.1:1\/file": dial tcp 127.0.0.1:1: connect: connection refused/,
      );
    } finally {
      server?.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
  const asInvalid = (e: unknown) => {
    // A server that refuses is no mistake of the Dockerfile, but ends the build all the same.
    assert.ok(isSwarmtsError(e, 'unavailable'));
    throw Object.assign(e, { code: 'invalid-argument' });
  };

  it('builds stages, from scratch too, and copies between them and from images', async () => {
    const file = [
      'FROM BASE AS one',
      'RUN echo made >/made; mkdir /theirs; echo x >/theirs/file; chown -R 3:4 /theirs',
      'FROM one AS Two',
      'RUN echo more >>/made',
      'FROM scratch',
      'COPY --from=two /made /from-two',
      'COPY --from=0 /made /from-zero',
      'COPY --from=BASE /bin/busybox /bin/busybox',
      'COPY --from=0 /theirs /kept',
      'COPY --from=0 --chown=5 /theirs/file /given',
      'ENTRYPOINT ["/bin/busybox"]',
    ].join('\n');
    const { id, out } = await build(file);
    assert.match(out, /Step 5\/11 : FROM scratch\n ---> \nStep 6\/11/);
    assert.equal(
      (await runToEnd(bed.engine, containerConfig(id, ['cat', '/from-two', '/from-zero']))).output,
      'made\nmore\nmade\n',
    );
    const owners = await runToEnd(bed.engine, containerConfig(id, ['stat', '-c', '%u:%g', '/kept/file', '/given']));
    assert.equal(owners.output, '3:4\n5:5\n');
    assert.equal((await bed.engine.images.find(id))?.layers.length, 5);
    const two = await build(file, [], { target: 'TWO' });
    assert.match(two.out, /^Step 1\/4/);
    assert.equal((await build(file, [], { target: '1' })).id, two.id);
  });

  it('limits and names what the command may do', async () => {
    const { out } = await build('FROM BASE\nRUN cat /etc/hosts; ip addr | grep -c mtu; echo $HTTP_PROXY\n', [], {
      extraHosts: ['10.9.8.7 friend'],
      buildArgs: new Map([
        ['HTTP_PROXY', 'http://proxy'],
        ['unused', '1'],
        ['unset', undefined],
      ]),
    });
    assert.match(out, /10\.9\.8\.7\s+friend\n1\nhttp:\/\/proxy\n/);
    assert.match(out, /\[Warning\] One or more build-args \[unused unset\] were not consumed/);
  });

  it('follows a link to where nothing is yet, and says what is wrong without the places of the machine', async () => {
    const links = await tarOf([{ name: 'link', type: 'symlink', linkname: '/../../new/place' }]);
    const files = [
      { name: 'links.tar', content: links },
      { name: 'f', content: 'x' },
    ];
    const { id } = await build('FROM BASE\nADD links.tar /\nADD f /link/\n', files);
    assert.equal(await outputOf(id, 'cat', '/new/place/f'), 'x');
    await fails(
      build('FROM BASE\nADD links.tar /\nRUN touch /new\nADD f /link/\n', files),
      /^'new' is not a directory$/,
    );
    const long = 'n'.repeat(300);
    await assert.rejects(build(`FROM BASE\nCOPY f /there/${long}\n`, files), {
      message: `ENAMETOOLONG: name too long, lstat '/there/${long}'`,
    });
    const broken = [{ name: 'test.tar', content: links.subarray(0, -1) }];
    await fails(build('FROM BASE\nADD test.tar /\n', broken), /archive/);
  });

  it('uses another Dockerfile, and drops what the ignore file names', async () => {
    const { id } = await build(
      'FROM nosuch',
      [
        { name: 'docker/Other', content: `FROM ${base}\nCOPY . /all\n` },
        { name: '.dockerignore', content: '.dockerignore\ndocker\n' },
        { name: 'kept', content: '' },
      ],
      { dockerfile: 'docker/Other' },
    );
    assert.equal(
      await outputOf(id, 'sh', '-c', 'cd /all; ls -a | grep -v "^\\.*$"; ls docker'),
      'Dockerfile\ndocker\nkept\n',
    );
  });

  it('takes names that are not clean for those that they mean, and what climbs out of the context for what is in it', async () => {
    const { id } = await build(
      'FROM nosuch',
      [
        { name: './x/../docker//Other', content: `FROM ${base}\nCOPY . /all\n` },
        { name: '.dockerignore', content: 'docker/Other\n' },
        { name: 'a/../../../evil', content: '' },
      ],
      { dockerfile: 'y/../docker/./Other' },
    );
    assert.equal(await outputOf(id, 'sh', '-c', 'cd /all; ls; ls docker'), 'Dockerfile\ndocker\nevil\n');
    for (const dockerfile of ['../Dockerfile', '/x/../../Dockerfile'])
      await fails(
        build('FROM BASE', [], { dockerfile }),
        /forbidden path outside the build context: .*\.\.\/Dockerfile/,
      );
  });

  it('fails with the code of the command that failed, and keeps its container when asked', async () => {
    const failed = await build('FROM BASE\nRUN exit 7\n', [], { forceRemove: false }).catch((e: unknown) => e);
    assert.ok(failed instanceof BuildCommandError);
    assert.equal(failed.message, "The command '/bin/sh -c exit 7' returned a non-zero code: 7");
    assert.equal(failed.exitCode, 7);
    const left = bed.engine.list().filter((c) => c.config.name.startsWith('build-'));
    assert.equal(left.length, 1);
    for (const c of left) await bed.engine.remove(c.id, { force: true, volumes: true });
  });

  it('keeps what it stands on from a prune, and gives it up afterwards', async () => {
    const prune = () => bed.engine.images.prune({ danglingOnly: true, accepts: () => true });
    await prune();
    const { id } = await build('FROM BASE\nENV x=1\nRUN echo first >/a\nRUN echo second >>/a\n', [], {
      report: async (r) => {
        if ('stream' in r && r.stream.startsWith(' ---> ')) assert.deepEqual((await prune()).removed, []);
      },
    });
    assert.equal(await outputOf(id, 'cat', '/a'), 'first\nsecond\n');
    for (const c of bed.engine.list()) await bed.engine.remove(c.id, { force: true, volumes: true });
    assert.ok((await prune()).removed.some((r) => r.deleted === id));
  });

  it('that was cut short leaves nothing when the engine is opened again, except what a failed step left', async () => {
    await bed.engine.images.pull(base, {});
    const labels = { [BUILD_LABEL]: '' };
    const running = await bed.engine.create({ ...containerConfig(base, ['sleep', '1000']), labels });
    await bed.engine.start(running);
    const waiting = await bed.engine.create({ ...containerConfig(base, ['true']), labels });
    const failed = (await runToEnd(bed.engine, { ...containerConfig(base, ['false']), labels })).id;
    const done = (await runToEnd(bed.engine, { ...containerConfig(base, ['true']), labels })).id;
    const kept = (await runToEnd(bed.engine, { ...containerConfig(base, ['true']), labels: { [BUILD_LABEL]: KEPT } }))
      .id;
    const scratch = join(bed.dataRoot, 'build', 'half');
    mkdirSync(join(scratch, 'rootfs'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(scratch, 'rootfs')]);
    await bed.engine.close();
    const engine = await bed.open();
    assert.deepEqual(
      [running, waiting, done, failed, kept].map((id) => engine.find(id)?.state),
      [undefined, undefined, undefined, 'exited', 'exited'],
    );
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'build')), []);
    for (const id of [failed, kept]) await engine.remove(id, { force: true, volumes: true });
  });

  it('stops at once when nobody wants it any more', async () => {
    const abort = new AbortController();
    const running = build('FROM BASE\nRUN echo started; sleep 1000\n', [], {
      signal: abort.signal,
      report: async (r) => {
        if ('stream' in r && r.stream === 'started\n') abort.abort(new Error('enough'));
      },
    });
    await assert.rejects(running);
    assert.deepEqual(
      bed.engine.list().filter((c) => c.config.name.startsWith('build-')),
      [],
    );
  });

  for (const [file, message] of [
    ['RUN x', /no build stage in current context/],
    [
      'FROM BASE\nCOPY nosuch /x',
      /COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch/,
    ],
    [
      'FROM BASE\nCOPY ../../etc/passwd /x',
      /COPY failed: forbidden path outside the build context: ..\/..\/etc\/passwd \(\)/,
    ],
    ['FROM BASE\nADD a/../../x /x', /ADD failed: forbidden path outside the build context: a\/..\/..\/x \(\)/],
    ['FROM BASE\nCOPY ../* /x', /no source files were specified/],
    ['FROM BASE\nCOPY *.nosuch /x', /COPY failed: no source files were specified/],
    ['FROM BASE\nCOPY Dockerfile Dockerfile /x', /must be a directory and end with a \//],
    ['FROM BASE\nCOPY only', /COPY requires at least two arguments/],
    ['FROM BASE\nCOPY --from=UPPER a /x', /invalid from flag value UPPER: invalid reference format/],
    ['FROM BASE\nCOPY --from=7 a /x', /invalid from flag value 7: index out of bounds/],
    ['FROM BASE\nCOPY --from=0 a /x', /invalid from flag value 0: refers to current build stage/],
    ['FROM BASE\nCOPY --chown=nobody7 Dockerfile /x', /can't find uid for user nobody7/],
    ['FROM BASE\nCOPY --chmod=9 Dockerfile /x', /invalid chmod parameter/],
    ['FROM BASE\nCOPY Dockerfile /bin/busybox/x', /'bin\/busybox' is not a directory/],
    ['FROM BASE\nRUN touch /.wh.x', /'\.wh\.x'.* no layer can hold/],
    ['FROM BASE\nUSER nosuch\nRUN true', /unable to find user nosuch/],
    ['FROM scratch', /No image was generated/],
    ['FROM scratch\nRUN true', /nothing to run in/],
    ['FROM BASE\nRUN ["/nosuch"]', /no such file|not found|executable/],
    ['FROM a AS b\nFROM c AS B', /b stage name already used/],
    ['FROM a b', /FROM requires either one or three arguments/],
  ] as const) {
    it(`refuses ${JSON.stringify(file)}`, async () => {
      await assert.rejects(build(file), message);
    });
  }

  it('is not led out of its context, nor held by what never ends', async () => {
    const link = (name: string, linkname: string): TarFile => ({ name, type: 'symlink', linkname });
    const pipe = (name: string): TarFile => ({ name, type: 'fifo' });
    const zero: TarFile = { name: 'zero', type: 'character-device', devmajor: 1, devminor: 5 };
    const { id } = await build('FROM BASE\nADD pipe /p\nADD zero /z\nCOPY in/ /in/\nADD in/inner /inner\n', [
      pipe('pipe'),
      zero,
      { name: 'in/inner', content: 'inner' },
      link('in/out', '/etc/passwd'),
      link('in/up', '../../../../../../etc/passwd'),
    ]);
    assert.equal(
      await outputOf(id, 'stat', '-c', '%F', '/p', '/z', '/in/out'),
      'fifo\ncharacter special file\nsymbolic link\n',
    );
    await fails(build('FROM BASE\nCOPY out /x', [link('out', '/etc/shadow')]), /stat out: file does not exist/);
    await fails(build('FROM BASE\nCOPY d/passwd /x', [link('d', '/etc')]), /stat d\/passwd: file does not exist/);
    await fails(
      build('FROM BASE', [link('Out', '/etc/passwd')], { dockerfile: 'Out' }),
      /Cannot locate specified Dockerfile/,
    );
    await fails(build('FROM BASE', [pipe('Pipe')], { dockerfile: 'Pipe' }), /Pipe is no regular file/);
    await fails(build('FROM BASE', [{ ...zero, name: 'Zero' }], { dockerfile: 'Zero' }), /Zero is no regular file/);
    await fails(build('FROM BASE', [{ ...zero, name: '.dockerignore' }]), /\.dockerignore is no regular file/);
    await build('FROM BASE', [link('.dockerignore', '/dev/zero')]);
    const passwd = await build('FROM BASE\nRUN rm /etc/passwd && mkfifo /etc/passwd', [], { tags: ['trap'] });
    assert.ok(passwd.id);
    await fails(build('FROM trap\nCOPY --chown=alice Dockerfile /x'), /etc\/passwd is no regular file/);
  });

  it('refuses targets, Dockerfiles, names and contexts that are not there', async () => {
    await fails(build('FROM BASE', [], { target: 'x' }), /failed to reach build target x in Dockerfile/);
    await fails(build('FROM BASE', [], { dockerfile: 'x' }), /Cannot locate specified Dockerfile: x/);
    await fails(build('FROM BASE', [], { dockerfile: '../../x' }), /forbidden path outside the build context/);
    await fails(build('FROM BASE', [], { tags: ['Bad Name'] }), /invalid reference format/);
    const broken = build('FROM BASE', [], { context: chunks(Buffer.alloc(700, 1)) });
    await assert.rejects(broken, /cannot read the build context: invalid tar archive/);
  });
});
