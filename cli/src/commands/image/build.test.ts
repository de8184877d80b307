import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract, pack } from 'tar-stream';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';

/** Names and contents of the archive that was sent; the fake daemon hands bodies over as text. */
async function entriesOf(body: unknown): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  const reader = extract();
  reader.on('entry', (header, stream, next) => {
    let text = header.type === 'symlink' ? `-> ${header.linkname}` : '';
    stream.on('data', (c: Buffer) => {
      text += c.toString();
    });
    stream.on('end', () => {
      out[header.name] = text;
      next();
    });
  });
  await new Promise((resolve, reject) => {
    reader.on('finish', resolve);
    reader.on('error', reject);
    reader.end(Buffer.from(String(body)));
  });
  return out;
}

describe('build', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-build-'));
    mkdirSync(join(dir, 'ctx/sub'), { recursive: true });
    for (const [name, text] of [
      ['Dockerfile', 'FROM x'],
      ['kept', 'k'],
      ['sub/wanted', 'w'],
      ['sub/unwanted', 'u'],
      ['empty', ''],
    ] as const) {
      writeFileSync(join(dir, 'ctx', name), text);
    }
    symlinkSync('kept', join(dir, 'ctx/link'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const lines = (...r: object[]) => ({ raw: Buffer.from(r.map((x) => `${JSON.stringify(x)}\r\n`).join('')) });
  const routes: FakeRoutes = {
    'POST /build': () =>
      lines({ stream: 'Step 1/1 : FROM x\n' }, { aux: { ID: 'sha256:1' } }, { stream: 'Successfully built\n' }),
  };
  const build = (...args: string[]) => runCli(['build', ...args], routes, { env: { FROM_ENV: 'e' } });

  it('sends the folder and prints what the daemon says', async () => {
    const r = await build(join(dir, 'ctx'));
    assert.deepEqual([r.code, r.out, r.err], [0, 'Step 1/1 : FROM x\nSuccessfully built\n', '']);
    assert.deepEqual(await entriesOf(r.requests[0]?.body), {
      Dockerfile: 'FROM x',
      empty: '',
      kept: 'k',
      link: '-> kept',
      sub: '',
      'sub/unwanted': 'u',
      'sub/wanted': 'w',
    });
    assert.equal(r.requests[0]?.query.dockerfile, 'Dockerfile');
  });

  it('leaves out what is ignored, but not the Dockerfile and what comes back with "!"', async () => {
    writeFileSync(join(dir, 'ctx/.dockerignore'), '# comment\nDockerfile\n.dockerignore\nsub\n!sub/wanted\n*pt?\n');
    const names = Object.keys(await entriesOf((await build(join(dir, 'ctx'))).requests[0]?.body));
    assert.deepEqual(names, ['.dockerignore', 'Dockerfile', 'kept', 'link', 'sub/wanted']);
  });

  it('passes its options on', async () => {
    const id = join(dir, 'id');
    const r = await build(
      ...[
        '-t',
        'a:1',
        '-t',
        'b',
        '--build-arg',
        'A=1',
        '--build-arg',
        'FROM_ENV',
        '--build-arg',
        'UNSET',
        '--label',
        'l=m',
      ],
      ...[
        '--target',
        's',
        '--no-cache',
        '--pull',
        '--rm=false',
        '--network',
        'none',
        '-m',
        '1m',
        '--iidfile',
        id,
        '-q',
      ],
      join(dir, 'ctx'),
    );
    const { t, ...query } = r.requests[0]?.query ?? {};
    assert.equal(t, 'b');
    assert.deepEqual(query, {
      dockerfile: 'Dockerfile',
      buildargs: '{"A":"1","FROM_ENV":"e","UNSET":null}',
      labels: '{"l":"m"}',
      memory: '1048576',
      networkmode: 'none',
      nocache: '1',
      pull: '1',
      q: '1',
      rm: '0',
      target: 's',
    });
    assert.equal(readFileSync(id, 'utf8'), 'sha256:1');
  });

  it('passes on how commands are limited and confined, and what counts as cached', async () => {
    const flags = '--cpu-period 50000 --cpu-quota 25000 -c 512 --cpuset-cpus 0 --cpuset-mems 0 --memory-swap -1';
    const more =
      '--cgroup-parent /b --security-opt seccomp=unconfined --ulimit nofile=1:2 --cache-from a --cache-from b';
    const r = await build(...flags.split(' '), ...more.split(' '), join(dir, 'ctx'));
    const {
      dockerfile: _file,
      buildargs: _args,
      labels: _labels,
      networkmode: _mode,
      rm: _rm,
      ...query
    } = r.requests[0]?.query ?? {};
    assert.deepEqual(query, {
      cachefrom: '["a","b"]',
      cgroupparent: '/b',
      cpuperiod: '50000',
      cpuquota: '25000',
      cpusetcpus: '0',
      cpusetmems: '0',
      cpushares: '512',
      memswap: '-1',
      securityopt: 'seccomp=unconfined',
      ulimits: '[{"Name":"nofile","Soft":1,"Hard":2}]',
    });
  });

  it('takes a Dockerfile from elsewhere, inside, outside and from standard input', async () => {
    writeFileSync(join(dir, 'ctx/sub/Other'), 'FROM inside');
    const inside = await build('-f', join(dir, 'ctx/sub/Other'), join(dir, 'ctx'));
    assert.equal(inside.requests[0]?.query.dockerfile, 'sub/Other');
    writeFileSync(join(dir, 'Outside'), 'FROM outside');
    const outside = await build('-f', join(dir, 'Outside'), join(dir, 'ctx'));
    const sent = await entriesOf(outside.requests[0]?.body);
    assert.equal(sent[outside.requests[0]?.query.dockerfile ?? ''], 'FROM outside');
    const piped = await runCli(['build', '-f', '-', join(dir, 'ctx')], routes, { stdin: 'FROM stdin' });
    assert.equal((await entriesOf(piped.requests[0]?.body))[piped.requests[0]?.query.dockerfile ?? ''], 'FROM stdin');
  });

  it('takes a whole context or a lone Dockerfile from standard input', async () => {
    const lone = await runCli(['build', '-'], routes, { stdin: 'FROM lone' });
    assert.deepEqual(await entriesOf(lone.requests[0]?.body), { Dockerfile: 'FROM lone' });
    const archive = pack();
    archive.entry({ name: 'Dockerfile' }, 'FROM archive');
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const c of archive) chunks.push(Buffer.from(c));
    const whole = await runCli(['build', '-'], routes, { stdin: Buffer.concat(chunks).toString() });
    assert.deepEqual(await entriesOf(whole.requests[0]?.body), { Dockerfile: 'FROM archive' });
  });

  it('ends with the exit code of the command that failed', async () => {
    const failing: FakeRoutes = {
      'POST /build': () => lines({ errorDetail: { code: 7, message: 'it failed' }, error: 'it failed' }),
    };
    const r = await runCli(['build', join(dir, 'ctx')], failing);
    assert.deepEqual([r.code, r.err], [7, 'it failed\n']);
  });

  it('refuses contexts that are not there', async () => {
    for (const [args, message] of [
      [[join(dir, 'nosuch')], /path ".*nosuch" not found/],
      [[join(dir, 'ctx/kept')], /context must be a directory/],
      [['-f', join(dir, 'nosuch'), join(dir, 'ctx')], /nosuch: no such file or directory/],
      [[join(dir, 'ctx/sub')], /Dockerfile: no such file or directory/],
      [['https://x.test/y.git'], /fetch https:\/\/x\.test\/y\.git first/],
      [['-f', '-', '-'], /can't use stdin for both/],
    ] as const) {
      const r = await build(...args);
      assert.deepEqual([r.code, message.test(r.err)], [1, true], r.err);
      assert.equal(r.requests.length, 0);
    }
  });
});
