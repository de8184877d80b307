import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceSpec } from '../engine-types.js';
import { type CliOptions, type CliRun, type FakeRoutes, runCli } from '../testing/fake-api.js';
import { service, task } from '../testing/objects.js';

const routes: FakeRoutes = {
  'GET /services': () => ({ json: [] }),
  'GET /secrets': () => ({ json: [{ ID: 'old', Spec: { Name: 'outside' } }] }),
  'GET /configs': () => ({ json: [] }),
  'POST /networks/create': () => ({ status: 201, json: { Id: 'net' } }),
  'POST /secrets/create': () => ({ status: 201, json: { ID: 'sid' } }),
  'POST /configs/create': () => ({ status: 201, json: { ID: 'cid' } }),
  'POST /services/create': () => ({ status: 201, json: { ID: 'svc' } }),
};

/** The service web of a stack that is there already, beside one that the file does not speak of any more. */
const web = service({ ID: 'web', Spec: { ...service().Spec, Name: 'shop_web' } });
const old = service({ ID: 'old', Spec: { ...service().Spec, Name: 'shop_old' } });
const deployed: FakeRoutes = {
  ...routes,
  'GET /services': () => ({ json: [web, old] }),
  'GET /services/web': () => ({ json: web }),
  'GET /tasks': () => ({ json: [1, 2, 3].map((n) => task(n, 'running', { ServiceID: 'web' })) }),
  'GET /nodes': () => ({ json: [{ ID: 'node1', Status: { State: 'ready' } }] }),
  'POST /services/web/update': () => ({ json: {} }),
  'POST /networks/create': () => ({ status: 201, json: { Id: 'net' } }),
  'DELETE /services/old': () => ({}),
};
const WEB = 'services: {web: {image: a, deploy: {replicas: 3}}}\n';

describe('stack deploy', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-stack-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const deploy = async (text: string): Promise<CliRun> => {
    const file = join(dir, 'compose.yaml');
    writeFileSync(file, text);
    return await runCli(['stack', 'deploy', '-d', '--resolve-image', 'never', '-c', file, 'shop'], routes);
  };

  const deployAndWait = async (
    text: string,
    flags: readonly string[],
    more: FakeRoutes,
    o: CliOptions = {},
  ): Promise<CliRun> => {
    const file = join(dir, 'compose.yaml');
    writeFileSync(file, text);
    const argv = ['stack', 'deploy', '--resolve-image', 'never', ...flags, '-c', file, 'shop'];
    return await runCli(argv, { ...deployed, ...more }, o);
  };
  const changes = (r: CliRun) => r.requests.filter((q) => q.method !== 'GET').map((q) => `${q.method} ${q.path}`);

  it('removes what is not part of the file any more once the rest is up', async () => {
    const run = await deployAndWait(WEB, ['--prune'], {});
    assert.equal(run.code, 0, run.err);
    assert.deepEqual(changes(run).slice(-2), ['POST /services/web/update', 'DELETE /services/old']);
  });

  it('takes nothing back for a service that is to be removed and that is gone already', async () => {
    const gone = { 'DELETE /services/old': () => ({ status: 404, json: { message: 'no such service' } }) };
    const run = await deployAndWait(WEB, ['--prune', '--rollback'], gone);
    assert.deepEqual([run.code, run.err], [0, '']);
    assert.equal(changes(run).at(-1), 'DELETE /services/old');
  });

  it('goes on through a short outage, and takes nothing back after a long one', async () => {
    let asked = 0;
    const unavailable = { status: 503, json: { message: 'no leader' } };
    const tasks = deployed['GET /tasks'];
    const short: FakeRoutes = { 'GET /tasks': (r) => (asked++ < 20 ? unavailable : (tasks?.(r) ?? unavailable)) };
    const run = await deployAndWait(WEB, ['--rollback'], short);
    assert.equal(run.code, 0, run.err);
    const long = await deployAndWait(WEB, ['--rollback'], { 'GET /tasks': () => unavailable });
    assert.equal(long.code, 1);
    assert.match(long.err, /no answer for 30 seconds: Error response from daemon: no leader/);
    assert.equal(changes(long).at(-1), 'POST /services/web/update');
  });

  it('updates a service under the version that it has then, and again when others were faster', async () => {
    let index = 40;
    const run = await deployAndWait(WEB, ['-d'], {
      'GET /services/web': () => ({ json: { ...web, Version: { Index: ++index } } }),
      'POST /services/web/update': (r) =>
        r.query.version === '43' ? { json: {} } : { status: 400, json: { message: 'update out of sequence: x' } },
    });
    assert.equal(run.code, 0, run.err);
    const versions = run.requests.filter((r) => r.path === '/services/web/update').map((r) => r.query.version);
    assert.deepEqual(versions, ['41', '42', '43']);
  });

  it('takes a service back that does not come up, again when others were faster', async () => {
    const failed = task(1, 'failed', {
      ServiceID: 'web',
      DesiredState: 'shutdown',
      Status: { State: 'failed', Err: 'x' },
    });
    let backs = 0;
    const run = await deployAndWait(WEB, ['--rollback', '--prune'], {
      'GET /tasks': () => ({ json: [failed] }),
      'GET /services/web': () => ({ json: { ...web, PreviousSpec: web.Spec } }),
      'POST /services/web/update': (r) =>
        r.query.rollback === 'previous' && ++backs === 1
          ? { status: 400, json: { message: 'update out of sequence' } }
          : { json: {} },
    });
    assert.deepEqual([run.code, backs], [1, 2]);
    assert.match(run.err, /^service web does not come up: x \(1 attempt\); .* shows more\n$/);
    assert.match(run.out, /Rolling service web back\n$/);
    assert.equal(changes(run).at(-1), 'POST /services/web/update');
  });

  it('notes the platforms of an image with its digest, and keeps both as long as the file names the same', async () => {
    const found = { Descriptor: { digest: 'sha256:d' }, Platforms: [{ architecture: 'arm64', os: 'linux' }] };
    const registry = { 'GET /distribution/a:latest/json': () => ({ json: found }) };
    const pinned = {
      ContainerSpec: { Image: 'a:latest@sha256:c' },
      Placement: { Platforms: [{ Architecture: 'amd64', OS: 'linux' }] },
    };
    const now = { ...web, Spec: { ...web.Spec, Labels: { 'com.docker.stack.image': 'a' }, TaskTemplate: pinned } };
    const more = { ...registry, 'GET /services/web': () => ({ json: now }) };
    const sent = async (flag: string) => {
      const run = await deployAndWait(WEB, ['-d', '--resolve-image', flag], more);
      assert.equal(run.code, 0, run.err);
      const body = run.requests.find((r) => r.path === '/services/web/update')?.body as ServiceSpec;
      return [body.TaskTemplate?.ContainerSpec?.Image, body.TaskTemplate?.Placement];
    };
    const kept = ['a:latest@sha256:c', pinned.Placement];
    assert.deepEqual(await sent('changed'), kept);
    assert.deepEqual(await sent('never'), kept);
    const anew = ['a:latest@sha256:d', { Platforms: [{ Architecture: 'arm64', OS: 'linux' }] }];
    assert.deepEqual(await sent('always'), anew);
  });

  it('stops at ^C, leaves everything as it is, and says so', async () => {
    const pending = { 'GET /tasks': () => ({ json: [] }) };
    const run = await deployAndWait(WEB, ['--prune', '--rollback'], pending, { interruptAtSleep: (n) => n === 2 });
    assert.equal(run.code, 130);
    assert.equal(changes(run).at(-1), 'POST /services/web/update');
    assert.match(run.err, /interrupted: the services of stack shop go on coming up in the background/);
    assert.match(run.err, /not part of the file any more were not removed/);
  });

  it('deploys nothing more after ^C, and names what is missing', async () => {
    const file = `${WEB.slice(0, -2)}, app: {image: b, depends_on: [web]}}\n`;
    const pending = { 'GET /tasks': () => ({ json: [] }) };
    const run = await deployAndWait(file, [], pending, { interruptAtSleep: (n) => n === 2 });
    assert.equal(run.code, 130);
    assert.equal(changes(run).at(-1), 'POST /services/web/update');
    assert.match(run.err, /not deployed, because others were waited for: app/);
  });

  for (const [what, broken, message] of [
    [
      'a duration without unit',
      '{image: b, stop_grace_period: 5}',
      /:3: services.bad.stop_grace_period must be a duration/,
    ],
    ['an unknown condition', '{image: b, deploy: {restart_policy: {condition: x}}}', /service bad: unknown restart/],
    ['a service without image', '{build: .}', /service bad: it has no image/],
    ['a missing env file', '{image: b, env_file: nope.env}', /service bad: env file .*nope\.env/],
    [
      'a secret without file',
      '{image: b, secrets: [key]}\nsecrets: {key: {file: nope}}',
      /secret key: open .*nope: no such file or directory/,
    ],
  ] as const) {
    it(`creates nothing with ${what}`, async () => {
      const { code, err, requests } = await deploy(`services:\n  good: {image: a}\n  bad: ${broken}\n`);
      assert.equal(code, 1);
      assert.match(err, message);
      assert.deepEqual(
        requests.filter((r) => r.method !== 'GET'),
        [],
      );
    });
  }

  it('gives services the ids of the secrets and configs that it creates', async () => {
    const { code, err, requests } = await deploy(
      'services: {web: {image: a, secrets: [key, outside], configs: [site]}}\n' +
        'secrets: {key: {content: x}, outside: {external: true}}\nconfigs: {site: {content: y}}\n',
    );
    assert.equal(code, 0, err);
    const body = requests.find((r) => r.path === '/services/create')?.body;
    const { Secrets, Configs } = (body as { TaskTemplate: { ContainerSpec: Record<string, unknown> } }).TaskTemplate
      .ContainerSpec;
    const file = { UID: '0', GID: '0', Mode: 0o444 };
    assert.deepEqual(Secrets, [
      { SecretID: 'sid', SecretName: 'shop_key', File: { Name: 'key', ...file } },
      { SecretID: 'old', SecretName: 'outside', File: { Name: 'outside', ...file } },
    ]);
    assert.deepEqual(Configs, [{ ConfigID: 'cid', ConfigName: 'shop_site', File: { Name: '/site', ...file } }]);
  });
});
