import assert from 'node:assert/strict';
import { runCli } from '../testing/fake-api.js';

const reference = (id: string) => ({
  TaskTemplate: { ContainerSpec: { Secrets: [{ SecretID: id, SecretName: id }] } },
});
const routes = {
  'GET /secrets': () => ({ json: ['a', 'b', 'c'].map((id) => ({ ID: id, Spec: { Name: `name-${id}` } })) }),
  'GET /services': () => ({ json: [{ ID: 's', Spec: reference('a'), PreviousSpec: reference('b') }] }),
  'GET /volumes': () => ({
    json: { Volumes: [{ ClusterVolume: { Spec: { Secrets: [{ Key: 'k', Secret: 'v' }] } } }] },
  }),
  'DELETE /secrets/c': () => ({ status: 204 }),
};

describe('secret prune', () => {
  it('removes what neither a service nor its rollback needs', async () => {
    const r = await runCli(['secret', 'prune', '-f'], routes);
    assert.equal(r.code, 0, r.err);
    assert.equal(r.out, 'Deleted Secrets:\nname-c\n\n');
  });

  it('keeps the newest version while an earlier one is used, by a rollback or a volume too', async () => {
    const secrets = [
      { ID: 'b2', Spec: { Name: 'b' } },
      { ID: 'b', Spec: { Name: 'b@2' } },
      { ID: 'b0', Spec: { Name: 'b@1' } },
      { ID: 'v2', Spec: { Name: 'of-volume' } },
      { ID: 'v', Spec: { Name: 'of-volume@1' } },
    ];
    const r = await runCli(['secret', 'prune', '-f'], {
      ...routes,
      'GET /secrets': () => ({ json: secrets }),
      'DELETE /secrets/b0': () => ({ status: 204 }),
    });
    assert.equal(r.code, 0, r.err);
    assert.equal(r.out, 'Deleted Secrets:\nb@1\n\n');
  });

  it('asks first', async () => {
    const r = await runCli(['secret', 'prune'], routes, { stdin: 'n\n' });
    assert.match(r.out, /remove all secrets not used/);
    assert.ok(!r.requests.some((q) => q.method === 'DELETE'));
  });

  it('keeps what somebody began to use meanwhile, and says so', async () => {
    const busy = { 'DELETE /secrets/c': () => ({ status: 400, json: { message: "secret 'name-c' is in use" } }) };
    const r = await runCli(['secret', 'prune', '-f'], { ...routes, ...busy });
    assert.equal(r.code, 1);
    assert.match(r.err, /is in use/);
  });
});
