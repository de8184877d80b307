import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '@swarmts/lib';
import { serveMetrics } from './metrics-server.js';

describe('the address of metrics', () => {
  it('serves metrics and health, and says where they are', async () => {
    const checks = [{ name: 'agent', ok: true, detail: '' }];
    const source = { metrics: async () => 'up 1\n', readiness: async () => checks };
    const server = await serveMetrics('127.0.0.1:0', source, silentLogger);
    const { port } = server.address() as AddressInfo;
    const get = async (path: string) => {
      const r = await fetch(`http://127.0.0.1:${port}${path}`);
      return [r.status, await r.text()];
    };
    try {
      assert.deepEqual(await get('/metrics'), [200, 'up 1\n']);
      assert.deepEqual(await get('/health/live'), [200, 'ok\n']);
      assert.deepEqual(await get('/health/ready'), [200, 'ok\n']);
      checks.push({ name: 'leader', ok: false, detail: 'there is none' });
      assert.deepEqual(await get('/health/ready?x'), [503, 'leader: there is none\n']);
      assert.equal((await get('/'))[0], 404);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('is a host and a port', async () => {
    const source = { metrics: async () => '', readiness: async () => [] };
    for (const bad of ['x', '127.0.0.1:', '1:2:x', '127.0.0.1:70000'])
      await assert.rejects(
        async () => serveMetrics(bad, source, silentLogger),
        /invalid --metrics-addr .*: use HOST:PORT/,
      );
  });
});
