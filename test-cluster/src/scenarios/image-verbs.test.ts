/** The unmodified docker command drives every verb on images, and builds; every client of the machine takes its turn. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import type { Lab } from '../lab/lab.js';
import { type RunResult, run, runAsync, tryRun } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, ok } from './testing.js';

/** alice:secret, as `htpasswd -nbB` writes it. */
const HTPASSWD = 'alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
const SWARMTS = fileURLToPath(new URL('../../../cli/bin/swarmts.js', import.meta.url));

/** The client on the PATH and Debian's, where they are two. */
function clients(): string[] {
  const onPath = realpathSync(run('sh', '-c', 'command -v docker').trim());
  const debians = '/usr/bin/docker';
  return [...new Set([onPath, ...(existsSync(debians) ? [realpathSync(debians)] : [])])];
}

describe('images and the docker command', () => {
  let lab: Lab;
  let dir: string;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 0, join: false });
    dir = mkdtempSync(join(tmpdir(), 'swarmts-verbs-'));
  });
  after(async () => {
    rmSync(dir, { recursive: true, force: true });
    await lab.down();
  });

  const file = (path: string, text: string) => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
  };

  for (const client of clients()) {
    describe(client, () => {
      const all = (...args: readonly string[]): Promise<RunResult> =>
        runAsync(client, args, {
          env: {
            ...process.env,
            DOCKER_HOST: `unix://${lab.socket('m1')}`,
            DOCKER_BUILDKIT: '0',
            DOCKER_CONFIG: join(dir, 'config'),
          },
        });
      const docker = async (...args: readonly string[]) => ok(await all(...args));
      const refused = async (...args: readonly string[]) => failed(await all(...args));
      const sh = (line: string) =>
        runAsync('sh', ['-c', line.replaceAll('DOCKER', client)], {
          env: { ...process.env, DOCKER_HOST: `unix://${lab.socket('m1')}`, DOCKER_BUILDKIT: '0' },
        });
      /** What a container of the image prints. */
      async function printed(image: string, ...command: readonly string[]): Promise<string> {
        const id = (await docker('create', '--network', 'none', image, ...command)).trim();
        await docker('start', id);
        await docker('wait', id);
        const out = await docker('logs', id);
        await docker('rm', id);
        return out;
      }

      after(async () => {
        await docker('image', 'prune', '-af');
        assert.equal((await docker('images', '-aq')).trim(), '');
      });

      it('pull, tag, images and their filters, inspect, history', async () => {
        assert.match(await docker('pull', 'registry:5000/busybox'), /Status: Downloaded newer image/);
        assert.match(await docker('pull', '--platform', 'linux/amd64', 'registry:5000/busybox'), /Image is up to date/);
        assert.match(await refused('pull', '--platform', 'linux/s390x', 'registry:5000/nosuch'), /not found/);
        await docker('tag', 'registry:5000/busybox', 'box:1');
        const names = async (...args: string[]) =>
          (await docker('images', '--format', '{{.Repository}}:{{.Tag}}', ...args))
            .trim()
            .split('\n')
            .filter(Boolean)
            .sort();
        assert.deepEqual(await names(), ['box:1', 'registry:5000/busybox:latest']);
        assert.deepEqual(await names('box'), ['box:1']);
        assert.deepEqual(await names('--filter', 'reference=registry:5000/*'), ['registry:5000/busybox:latest']);
        assert.deepEqual(await names('--filter', 'since=box:1'), []);
        assert.deepEqual(await names('--filter', 'dangling=true'), []);
        assert.match(await docker('images', '--digests'), /registry:5000\/busybox +latest +sha256:[0-9a-f]{64}/);
        assert.match(
          await docker('inspect', '--format', '{{.Os}} {{.Config.Cmd}} {{len .RootFS.Layers}}', 'box:1'),
          /linux \[sh\] 1/,
        );
        assert.match(await docker('history', 'box:1'), /IMAGE +CREATED +CREATED BY/);
        assert.match(await refused('inspect', '--type', 'image', 'nosuch'), /No such image: nosuch/i);
        assert.match(await refused('search', 'x'), /not supported by this registry/);
      });

      it('build: steps, cache, arguments, stages, copies', async () => {
        file(
          'ctx/Dockerfile',
          'ARG BASE\nFROM $BASE AS one\nARG GREETING=hello\nWORKDIR /w\nCOPY --chown=65534 a.txt sub/ ./\nRUN echo "$GREETING $(cat a.txt)" | tee out\n\nFROM $BASE\nCOPY --from=one /w /w\nLABEL made=by-test\nENTRYPOINT ["cat"]\nCMD ["/w/out"]\n',
        );
        file('ctx/a.txt', 'world');
        file('ctx/sub/b.txt', 'b');
        file('ctx/secret', 'no');
        file('ctx/.dockerignore', 'secret\n');
        const args = ['--build-arg', 'BASE=registry:5000/busybox', '-t', 'built:1', '-t', 'built:2', join(dir, 'ctx')];
        const first = await docker('build', ...args);
        assert.match(first, /Step 6\/11 : RUN echo[^\n]*\n ---> Running in [0-9a-f]{12}\nhello world\n/);
        assert.match(
          first,
          /Successfully built [0-9a-f]{12}\nSuccessfully tagged built:1\nSuccessfully tagged built:2\n$/,
        );
        const again = await docker('build', ...args);
        assert.equal(again.match(/Using cache/g)?.length, 8);
        assert.equal(await printed('built:2'), 'hello world\n');
        assert.doesNotMatch(await docker('build', '--no-cache', ...args), /Using cache/);
        const other = await docker('build', '-q', '--build-arg', 'GREETING=bye', ...args);
        assert.match(other, /^sha256:[0-9a-f]{64}\n$/);
        assert.equal(await printed('built:1'), 'bye world\n');
        await docker('build', ...args);
        assert.equal(
          (await docker('images', '-q', '--filter', 'label=made=by-test', 'built')).trim().split('\n').length,
          2,
        );
        const stage = await docker('build', '--target', 'one', '--label', 'l=m', ...args.slice(0, 2), join(dir, 'ctx'));
        assert.match(stage, /Step 7\/7 : LABEL "?l"?="?m"?/);
        assert.match(await docker('images', '-f', 'dangling=true'), /<none>/);
      });

      it('build: -f, standard input, network, failures', async () => {
        file(
          'ctx/other.Dockerfile',
          'FROM registry:5000/busybox\nRUN ip addr | grep -c mtu\nCOPY . /all\nRUN ls -A /all\n',
        );
        const out = await docker(
          'build',
          '--network',
          'none',
          '-f',
          join(dir, 'ctx/other.Dockerfile'),
          join(dir, 'ctx'),
        );
        assert.match(out, /Running in [0-9a-f]{12}\n1\n/);
        assert.doesNotMatch(out, /^secret$/m);
        const piped = await sh("printf 'FROM registry:5000/busybox\\nRUN echo from stdin\\n' | DOCKER build -");
        assert.match(ok(piped), /^from stdin$/m);
        const named = await sh(
          "printf 'FROM registry:5000/busybox\\nRUN cat /etc/hosts\\n' | DOCKER build --no-cache --add-host a.test:192.0.2.1 --add-host b.test:192.0.2.2 -",
        );
        assert.match(ok(named), /^192\.0\.2\.1\s+a\.test\n192\.0\.2\.2\s+b\.test$/m);
        file('bad/Dockerfile', 'FROM registry:5000/busybox\nRUN exit 9\n');
        const bad = await all('build', '--force-rm', join(dir, 'bad'));
        assert.equal(bad.code, 9);
        assert.match(bad.stderr, /The command '\/bin\/sh -c exit 9' returned a non-zero code: 9/);
        file('bad/Dockerfile', 'FROM registry:5000/busybox\nCOPY nosuch /\n');
        assert.match(await refused('build', join(dir, 'bad')), /COPY failed: file not found in build context/);
        file('bad/Dockerfile', 'FROM registry:5000/nosuch\n');
        assert.match(await refused('build', join(dir, 'bad')), /nosuch.*not found/);
        file('bad/Dockerfile', 'NOPE\n');
        assert.match(await refused('build', join(dir, 'bad')), /unknown instruction: NOPE/);
        assert.equal((await docker('ps', '-aq')).trim(), '');
      });

      it('push and pull what was built', async () => {
        await docker('tag', 'built:2', 'registry:5000/team/built:2');
        assert.match(await docker('login', '-u', 'any', '-p', 'any', 'registry:5000'), /Login Succeeded/);
        const pushed = await docker('push', 'registry:5000/team/built:2');
        assert.match(pushed, /The push refers to repository \[registry:5000\/team\/built\]/);
        const digest = /2: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1];
        assert.ok(digest, pushed);
        assert.match(await docker('push', 'registry:5000/team/built:2'), /Layer already exists/);
        assert.match(await refused('push', 'registry:5000/team/built:nosuch'), /tag does not exist/);
        const gone = await docker('rmi', 'registry:5000/team/built:2');
        assert.match(gone, /Untagged: registry:5000\/team\/built:2\nUntagged: registry:5000\/team\/built@sha256/);
        assert.match(await docker('pull', `registry:5000/team/built@${digest}`), new RegExp(`Digest: ${digest}`));
        assert.equal(await printed(`registry:5000/team/built@${digest}`), 'hello world\n');
        await docker('logout', 'registry:5000');
      });

      it('commit, save, load, import', async () => {
        const id = (await docker('create', '--network', 'none', 'box:1', 'sh', '-c', 'echo kept >/kept')).trim();
        await docker('start', id);
        await docker('wait', id);
        const made = (
          await docker('commit', '-m', 'why', '-a', 'me', '-c', 'CMD ["cat", "/kept"]', id, 'made:1')
        ).trim();
        assert.match(made, /^sha256:[0-9a-f]{64}$/);
        assert.match(await docker('history', 'made:1'), /why/);
        await docker('rm', id);
        const archive = join(dir, 'saved.tar');
        await docker('save', '-o', archive, 'made:1');
        await docker('rmi', 'made:1');
        assert.match(await docker('load', '-i', archive), /Loaded image: made:1/);
        assert.equal(await printed('made:1'), 'kept\n');
        file('root/hello', 'imported');
        ok(await sh(`tar -C ${dir}/root -c . | gzip | DOCKER import -c 'CMD ["x"]' -m note - imported:1`));
        assert.match(await docker('inspect', '--format', '{{.Comment}} {{.Config.Cmd}}', 'imported:1'), /note \[x\]/);
      });

      it('rmi and prune', async () => {
        await docker('pull', 'registry:5000/busybox');
        assert.equal(await docker('rmi', 'box:1'), 'Untagged: box:1\n');
        const id = (await docker('create', 'registry:5000/busybox', 'true')).trim();
        assert.match(
          await refused('rmi', 'registry:5000/busybox'),
          /conflict: unable to (remove repository reference "registry:5000\/busybox" \(must force\)|delete)/,
        );
        await docker('rm', id);
        assert.match(await refused('rmi', 'nosuch'), /No such image: nosuch/);
        assert.match(
          await docker('rmi', 'imported:1'),
          /Untagged: imported:1\nDeleted: sha256:[0-9a-f]{64}\nDeleted: sha256/,
        );
        assert.match(await docker('image', 'prune', '-f'), /Total reclaimed space/);
        assert.equal((await docker('images', '-q', '-f', 'dangling=true')).trim(), '');
        assert.match(await docker('image', 'prune', '-af', '--filter', 'label=made=by-test'), /[Uu]ntagged: built:/);
        assert.match(await docker('builder', 'prune', '-f'), /^Total.*0B\n$/m);
        const stopped = (await docker('create', 'registry:5000/busybox', 'true')).trim();
        const gone = await docker('system', 'prune', '-f', '--volumes');
        assert.match(gone, new RegExp(`Deleted Containers:\n${stopped}\n[^]*Total reclaimed space`));
      });
    });
  }

  describe('a registry with passwords', () => {
    const address = '127.0.0.1:5001';
    let registry: ChildProcess;
    before(async () => {
      file('auth/htpasswd', HTPASSWD);
      file(
        'auth/config.yml',
        `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${dir}/auth/data}}\nhttp: {addr: "${address}"}\nauth: {htpasswd: {realm: lab, path: ${dir}/auth/htpasswd}}\n`,
      );
      // On the node itself: a registry on loopback needs no TLS.
      const command = [...lab.enter('m1'), 'docker-registry', 'serve', join(dir, 'auth/config.yml')];
      registry = spawn('nsenter', command, { stdio: 'ignore' });
      await waitFor('the registry answers', 15_000, async () => {
        const r = await runAsync('nsenter', [...lab.enter('m1'), 'curl', '-s', `http://${address}/v2/`]);
        return /UNAUTHORIZED/.test(r.stdout);
      });
      ok(await lab.docker('m1', 'pull', 'registry:5000/busybox'));
    });
    after(() => registry.kill('SIGKILL'));

    for (const program of [...clients(), 'swarmts']) {
      it(`${program}: login, push, pull, logout`, async () => {
        const name = `${address}/by-${program.replaceAll('/', '-')}`.toLowerCase();
        const env = {
          ...process.env,
          DOCKER_HOST: `unix://${lab.socket('m1')}`,
          DOCKER_CONFIG: join(dir, `config-${name.length}`),
        };
        const call = (args: readonly string[], input?: string) =>
          tryRun(program === 'swarmts' ? SWARMTS : program, args, { env, ...(input === undefined ? {} : { input }) });
        const login = (password: string) => call(['login', '-u', 'alice', '--password-stdin', address], password);
        assert.match(failed(login('wrong')), /401 Unauthorized/);
        ok(call(['tag', 'registry:5000/busybox', name]));
        assert.match(failed(call(['push', name])), /no basic auth credentials/);
        assert.match(ok(login('secret')), /Login Succeeded/);
        assert.match(ok(call(['push', name])), /digest: sha256/);
        ok(call(['rmi', name]));
        assert.match(ok(call(['pull', name])), /Status: /);
        assert.match(ok(call(['logout', address])), /Removing login credentials for 127\.0\.0\.1:5001/);
        assert.match(failed(call(['pull', name])), /pull access denied|no basic auth credentials/);
        ok(call(['rmi', name]));
      });
    }
  });

  it('dockerode builds, pushes and pulls', async () => {
    const client = new Docker({ socketPath: lab.socket('m1') });
    const done = (stream: NodeJS.ReadableStream) =>
      new Promise<Record<string, unknown>[]>((resolve, reject) =>
        client.modem.followProgress(stream, (e, out) => (e ? reject(e) : resolve(out))),
      );
    file('rode/Dockerfile', 'FROM registry:5000/busybox\nRUN echo by dockerode\n');
    const context = { context: join(dir, 'rode'), src: ['Dockerfile'] };
    const built = await done(await client.buildImage(context, { t: 'registry:5000/rode:1', version: '1' }));
    assert.ok(built.some((r) => r.stream === 'by dockerode\n'));
    const image = client.getImage('registry:5000/rode:1');
    const pushed = await done(await image.push({ authconfig: { username: 'a', password: 'b' } }));
    assert.match(JSON.stringify(pushed), /"aux":\{"Tag":"1","Digest":"sha256:/);
    await image.remove();
    assert.match(JSON.stringify(await done(await client.pull('registry:5000/rode:1'))), /Downloaded newer image/);
    const { Descriptor } = (await client.getImage('registry:5000/rode:1').distribution()) as {
      readonly Descriptor: { readonly mediaType: string; readonly size: number };
    };
    assert.match(Descriptor.mediaType, /manifest\.v[12]\+json$/);
    assert.ok(Descriptor.size > 100);
    await image.remove();
  });

  it("Debian's Python library builds, tags, saves and loads", () => {
    const script = `
import docker, io
c = docker.from_env()
dockerfile = io.BytesIO(b'FROM registry:5000/busybox\\nRUN echo by python > /py\\nCMD cat /py\\n')
image, log = c.images.build(fileobj=dockerfile, tag='python:1', rm=True)
assert any('Successfully built' in x.get('stream', '') for x in log)
assert c.containers.run('python:1', network_mode='none', remove=True) == b'by python\\n'
image.tag('registry:5000/python', '2')
assert 'digest: sha256' in c.images.push('registry:5000/python', '2')
data = b''.join(image.save(named=True))
c.images.remove('registry:5000/python:2')
c.images.remove('python:1', force=True)
assert c.images.load(data)[0].tags, 'loaded with its name'
assert c.images.pull('registry:5000/python', '2').id == image.id
assert len(image.history()) >= 3
assert c.images.get_registry_data('registry:5000/python:2').id.startswith('sha256:')
try:
    c.images.build(fileobj=io.BytesIO(b'FROM registry:5000/busybox\\nRUN exit 4\\n'), rm=True, forcerm=True)
except docker.errors.BuildError as e:
    assert 'non-zero code: 4' in str(e), e
else:
    raise AssertionError('the build did not fail')
c.images.prune({'dangling': False})
print('fine')
`;
    const env = { ...process.env, DOCKER_HOST: `unix://${lab.socket('m1')}` };
    const r = tryRun('python3', ['-c', script], { env });
    assert.equal(r.stdout, 'fine\n', r.stderr);
  });

  it('swarmts builds, pushes and prunes as well', async () => {
    const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));
    file('own/Dockerfile', 'FROM registry:5000/busybox\nRUN echo own >/own\n');
    assert.match(
      await swarmts('build', '-t', 'registry:5000/own', join(dir, 'own')),
      /Successfully tagged registry:5000\/own:latest/,
    );
    assert.match(await swarmts('push', 'registry:5000/own'), /latest: digest: sha256/);
    assert.match(await swarmts('history', 'registry:5000/own'), /echo own/);
    await swarmts('save', '-o', join(dir, 'own.tar'), 'registry:5000/own');
    assert.ok(readFileSync(join(dir, 'own.tar')).includes('manifest.json'));
    assert.match(await swarmts('system', 'df', '-v'), /registry:5000\/own +latest/);
    assert.match(await swarmts('system', 'prune', '-af'), /deleted: sha256/);
  });
});
