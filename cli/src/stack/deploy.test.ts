import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliRun, type FakeRoutes, runCli } from '../testing/fake-api.js';

const routes: FakeRoutes = {
  'GET /services': () => ({ json: [] }),
  'GET /secrets': () => ({ json: [{ ID: 'old', Spec: { Name: 'outside' } }] }),
  'GET /configs': () => ({ json: [] }),
  'POST /networks/create': () => ({ status: 201, json: { Id: 'net' } }),
  'POST /secrets/create': () => ({ status: 201, json: { ID: 'sid' } }),
  'POST /configs/create': () => ({ status: 201, json: { ID: 'cid' } }),
  'POST /services/create': () => ({ status: 201, json: { ID: 'svc' } }),
};

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

  for (const [what, broken, message] of [
    ['a duration without unit', '{image: b, stop_grace_period: 5}', /service bad: time: missing unit in duration/],
    ['a size that is none', '{image: b, deploy: {resources: {limits: {memory: 5Q}}}}', /service bad: invalid size/],
    ['a service without image', '{build: .}', /service bad: it has no image/],
    ['a missing env file', '{image: b, env_file: nope.env}', /service bad: env file .*nope\.env/],
    ['a secret without file', '{image: b, secrets: [key]}\nsecrets: {key: {file: nope}}', /secret key: ENOENT/],
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
