import assert from 'node:assert/strict';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';
import { service, task } from '../../testing/objects.js';

const web = service({ ID: 'web', Spec: { ...service().Spec, Name: 'shop_web' } });
const routes: FakeRoutes = {
  'GET /services': () => ({ json: [web] }),
  'GET /secrets': () => ({ json: [{ ID: 'sec', Spec: { Name: 'shop_key' } }] }),
  'GET /configs': () => ({ json: [] }),
  'GET /networks': () => ({ json: [{ Id: 'net', Name: 'shop_default' }] }),
  'GET /tasks': () => ({ json: [] }),
  'DELETE /services/web': () => ({}),
  'DELETE /secrets/sec': () => ({}),
  'DELETE /networks/net': () => ({}),
};

describe('stack rm', () => {
  it('removes what belongs to the stack once its tasks are gone', async () => {
    const run = await runCli(['stack', 'rm', 'shop'], routes);
    assert.equal(run.code, 0, run.err);
    assert.equal(run.out, 'Removing service shop_web\nRemoving secret shop_key\nRemoving network shop_default\n');
  });

  it('stops at ^C, and names what is left', async () => {
    const stopping = { ...routes, 'GET /tasks': () => ({ json: [task(1, 'running', { ServiceID: 'web' })] }) };
    const run = await runCli(['stack', 'rm', 'shop', 'other'], stopping, { interruptAtSleep: (n) => n === 2 });
    assert.equal(run.code, 130);
    assert.match(run.err, /interrupted: .* shop .*; not removed: secret shop_key, network shop_default/);
    assert.deepEqual(
      run.requests.filter((r) => r.method === 'DELETE').map((r) => r.path),
      ['/services/web'],
    );
  });
});
