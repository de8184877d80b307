import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from './client.js';
import { chooseHost } from './host.js';
import { TunnelAgent } from './tunnel.js';

describe('a request through a tunnel to another node', () => {
  it('names the node when the tunnel breaks, not the daemon that it goes through', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tunnel-test-'));
    const path = join(folder, 'api.sock');
    // Opens every tunnel, and breaks it at the first bytes.
    const daemon = createServer((c) => {
      c.on('error', () => undefined);
      c.once('data', () => {
        c.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
        c.once('data', () => c.destroy());
      });
    });
    daemon.listen(path);
    await once(daemon, 'listening');
    const host = chooseHost(`unix://${path}`, {});
    const api = new ApiClient(host, new TunnelAgent(host, 'w1'), 'w1');
    try {
      await assert.rejects(api.get('/containers/json'), /the connection to node w1 was lost .* `swarmts node ls`/);
    } finally {
      api.close();
      daemon.close();
      rmSync(folder, { recursive: true });
    }
  });
});
