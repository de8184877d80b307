import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeRoutes, runCli, START_MS } from '../../testing/fake-api.js';

const records = (...r: object[]) => ({ raw: Buffer.from(r.map((x) => `${JSON.stringify(x)}\r\n`).join('')) });
const query = (r: Awaited<ReturnType<typeof runCli>>) => r.requests.at(-1)?.query;

describe('image commands', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-image-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('push one tag, by default latest, or all', async () => {
    const routes: FakeRoutes = {
      'POST /images/reg:5000/a/push': () => records({ status: 'Pushed', id: 'abc', progressDetail: {} }, { aux: {} }),
    };
    const one = await runCli(['push', 'reg:5000/a:1'], routes);
    assert.deepEqual([one.out, query(one)], ['abc: Pushed\n', { tag: '1' }]);
    const latest = await runCli(['push', 'reg:5000/a'], routes);
    assert.deepEqual([latest.out, query(latest)], ['Using default tag: latest\nabc: Pushed\n', { tag: 'latest' }]);
    assert.deepEqual(query(await runCli(['push', '-a', 'reg:5000/a'], routes)), {});
    assert.match((await runCli(['push', '-a', 'reg:5000/a:1'], routes)).err, /can't be used with --all-tags/);
    assert.match((await runCli(['push', `a@sha256:${'a'.repeat(64)}`])).err, /cannot push a digest reference/);
  });

  it('load what an archive has for a platform', async () => {
    const routes: FakeRoutes = { 'POST /images/load': () => records({ stream: 'Loaded image: a:1\n' }) };
    const load = (platform: string) => runCli(['load', '--platform', platform], routes, { stdin: 'archive' });
    assert.equal(query(await load('linux/arm64/v8'))?.platform, '{"os":"linux","architecture":"arm64","variant":"v8"}');
    assert.match((await load('arm64')).err, /invalid platform "arm64": give os\/arch/);
  });

  it('pull one tag, by default latest, or all', async () => {
    const routes: FakeRoutes = { 'POST /images/create': () => records({ status: 'done' }) };
    assert.deepEqual(query(await runCli(['pull', 'reg:5000/a'], routes)), { fromImage: 'reg:5000/a', tag: 'latest' });
    const all = await runCli(['pull', '-a', 'reg:5000/a'], routes);
    assert.deepEqual([all.out, query(all)], ['done\nreg:5000/a\n', { fromImage: 'reg:5000/a' }]);
    assert.match((await runCli(['pull', '-a', 'reg:5000/a:1'], routes)).err, /can't be used with --all-tags/);
  });

  it('ends with the failure that the stream tells', async () => {
    const routes: FakeRoutes = {
      'POST /images/a/push': () => records({ status: 'x' }, { errorDetail: { message: 'denied' }, error: 'denied' }),
    };
    const r = await runCli(['push', '-q', 'a'], routes);
    assert.deepEqual([r.code, r.out, r.err], [1, '', 'denied\n']);
  });

  it('draws a bar per layer on a terminal', async () => {
    const layer = (current: number) => ({ id: 'abc', status: 'Downloading', progressDetail: { current, total: 100 } });
    const routes: FakeRoutes = { 'POST /images/create': () => records(layer(50), layer(100), { status: 'done' }) };
    const { out } = await runCli(['pull', 'a:1'], routes, { terminalColumns: 80 });
    assert.match(out, /abc: Downloading \[==========> {9}\] {2}50B\/100B/);
    assert.ok(out.includes(`\x1b[1A\r\x1b[2Kabc: Downloading [${'='.repeat(20)}]  100B/100B`));
    assert.match(out, /done\na:1\n$/);
  });

  it('save into a file or to a pipe, never to a terminal', async () => {
    const routes: FakeRoutes = { 'GET /images/get': () => ({ raw: Buffer.from('tar') }) };
    const file = join(dir, 'saved.tar');
    const r = await runCli(['save', '-o', file, 'a', 'b'], routes);
    assert.deepEqual([r.code, readFileSync(file, 'utf8')], [0, 'tar']);
    assert.equal((await runCli(['save', 'a'], routes)).out, 'tar');
    assert.match((await runCli(['save', 'a'], routes, { terminalColumns: 80 })).err, /^cowardly refusing to save/);
    const gone = join(dir, 'gone.tar');
    assert.equal((await runCli(['save', '-o', gone, 'a'])).code, 1);
    assert.equal(existsSync(gone), false);
  });

  it('import sends the archive with its changes', async () => {
    const file = join(dir, 'root.tar');
    writeFileSync(file, 'tar');
    const routes: FakeRoutes = { 'POST /images/create': () => records({ status: 'sha256:1' }) };
    const r = await runCli(['import', '-m', 'note', '-c', 'CMD a', file, 'r:5/mine:2'], routes);
    assert.equal(r.out, 'sha256:1\n');
    assert.deepEqual(query(r), { fromSrc: '-', message: 'note', repo: 'r:5/mine', tag: '2', changes: 'CMD a' });
    assert.equal(r.requests[0]?.body, 'tar');
    assert.equal(query(await runCli(['import', 'http://x/y.tar'], routes))?.fromSrc, 'http://x/y.tar');
    assert.match((await runCli(['import', join(dir, 'nosuch')])).err, /no such file or directory/);
  });

  it('commit prints the id', async () => {
    const routes: FakeRoutes = { 'POST /commit': () => ({ status: 201, json: { Id: 'sha256:2' } }) };
    const r = await runCli(['commit', '-m', 'note', '-c', 'CMD a', '-c', 'ENV b=c', '-p=false', 'web', 'mine'], routes);
    assert.equal(r.out, 'sha256:2\n');
    assert.deepEqual(query(r), {
      container: 'web',
      repo: 'mine',
      comment: 'note',
      changes: 'CMD a\nENV b=c',
      pause: '0',
    });
  });

  it('history shows steps as a table', async () => {
    const step = { Id: `sha256:${'a'.repeat(64)}`, Created: START_MS / 1000 - 120, Size: 1234, Comment: '' };
    const routes: FakeRoutes = {
      'GET /images/a/history': () => ({ json: [{ ...step, CreatedBy: `/bin/sh -c ${'x'.repeat(60)}` }] }),
    };
    const { out } = await runCli(['history', 'a'], routes);
    const [head = '', line = ''] = out.split('\n');
    assert.match(head, /^IMAGE {10}CREATED {9}CREATED BY +SIZE +COMMENT$/);
    assert.match(line, /^aaaaaaaaaaaa {3}2 minutes ago {3}\/bin\/sh -c x{33}… {3}1\.23kB/);
    assert.equal((await runCli(['history', '-q', '--no-trunc', 'a'], routes)).out, `${step.Id}\n`);
  });

  it('prune asks first, and tells what went', async () => {
    const routes: FakeRoutes = {
      'POST /images/prune': () => ({
        json: { ImagesDeleted: [{ Untagged: 'a:1' }, { Deleted: 'b' }], SpaceReclaimed: 5e6 },
      }),
    };
    const no = await runCli(['image', 'prune'], routes, { stdin: 'n\n' });
    assert.deepEqual([no.requests.length, /all dangling images/.test(no.out)], [0, true]);
    const yes = await runCli(['image', 'prune', '-af', '--filter', 'label=x'], routes);
    assert.equal(yes.out, 'Deleted Images:\nuntagged: a:1\ndeleted: b\n\nTotal reclaimed space: 5MB\n');
    assert.deepEqual(JSON.parse(query(yes)?.filters ?? ''), { label: { x: true }, dangling: { false: true } });
  });

  describe('with credentials', () => {
    const routes: FakeRoutes = {
      'POST /auth': () => ({ json: { Status: 'Login Succeeded', IdentityToken: '' } }),
      'POST /images/reg:5000/a/push': () => records({ status: 'Pushed' }),
    };
    const config = () => JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, object>;
    const cli = (argv: string[], stdin?: string) =>
      runCli(argv, routes, { env: { DOCKER_CONFIG: dir }, ...(stdin === undefined ? {} : { stdin }) });

    it('login keeps them beside what the file has, logout forgets them, push sends them', async () => {
      writeFileSync(join(dir, 'config.json'), JSON.stringify({ psFormat: 'x', auths: { other: { auth: 'eTp6' } } }));
      const login = await cli(['login', '-u', 'me', '--password-stdin', 'reg:5000'], 'secret\n');
      assert.equal(login.out, 'Login Succeeded\n');
      assert.match(login.err, /stored unencrypted in .*config\.json/);
      assert.deepEqual(login.requests[0]?.body, { username: 'me', password: 'secret', serveraddress: 'reg:5000' });
      assert.deepEqual(config(), {
        psFormat: 'x',
        auths: { other: { auth: 'eTp6' }, 'reg:5000': { auth: Buffer.from('me:secret').toString('base64') } },
      });
      assert.equal(statSync(join(dir, 'config.json')).mode & 0o777, 0o600);
      const push = await cli(['push', 'reg:5000/a']);
      const sent = Buffer.from(String(push.requests[0]?.headers['x-registry-auth']), 'base64url').toString();
      assert.deepEqual(JSON.parse(sent), { username: 'me', password: 'secret', serveraddress: 'reg:5000' });
      assert.equal((await cli(['logout', 'reg:5000'])).out, 'Removing login credentials for reg:5000\n');
      assert.deepEqual(Object.keys(config().auths ?? {}), ['other']);
      assert.equal((await cli(['logout', 'reg:5000'])).out, 'Not logged in to reg:5000\n');
    });

    it('login wants both halves and says how to give them', async () => {
      for (const [argv, message] of [
        [['login', '-u', 'me', 'x'], /non TTY device/],
        [['login', '--password-stdin', 'x'], /Must provide --username/],
        [['login', '-u', 'me', '-p', 'x', '--password-stdin', 'x'], /mutually exclusive/],
      ] as const) {
        const r = await cli([...argv], '');
        assert.deepEqual([r.code, message.test(r.err)], [1, true], r.err);
      }
    });

    it('uses the credential helper that the file names', async () => {
      writeFileSync(join(dir, 'config.json'), JSON.stringify({ credsStore: 'test' }));
      const kept = join(dir, 'kept');
      const helper = `#!/bin/sh\ncase $1 in store) cat >${kept};; get) cat ${kept} 2>/dev/null || { echo 'credentials not found'; exit 1; };; erase) rm ${kept};; esac\n`;
      writeFileSync(join(dir, 'docker-credential-test'), helper, { mode: 0o755 });
      const env = { DOCKER_CONFIG: dir, PATH: `${dir}:${process.env.PATH}` };
      const run = (...argv: string[]) => runCli(argv, routes, { env });
      const none = await run('push', 'reg:5000/a');
      assert.equal(none.requests[0]?.headers['x-registry-auth'], Buffer.from('{}').toString('base64url'), none.err);
      await runCli(['login', '-u', 'me', '--password-stdin', 'reg:5000'], routes, { env, stdin: 'secret\n' });
      assert.deepEqual(JSON.parse(readFileSync(kept, 'utf8')), {
        ServerURL: 'reg:5000',
        Username: 'me',
        Secret: 'secret',
      });
      const push = await run('push', 'reg:5000/a');
      assert.match(
        Buffer.from(String(push.requests[0]?.headers['x-registry-auth']), 'base64url').toString(),
        /"secret"/,
      );
      await run('logout', 'reg:5000');
      assert.equal(existsSync(kept), false);
    });
  });
});
