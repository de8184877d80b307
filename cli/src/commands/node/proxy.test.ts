import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../bin/swarmts.js', import.meta.url));

describe('node proxy', () => {
  let dir: string;
  let temporary: string;
  let daemon: Server;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-proxy-test-'));
    temporary = join(dir, 'tmp');
    // Knows the node, and lets every tunnel to it hang.
    daemon = createServer((_, res) => res.end('{}'));
    daemon.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end()).resume();
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    });
    await new Promise<void>((resolve) => daemon.listen(join(dir, 'api.sock'), resolve));
  });
  beforeEach(() => {
    temporary = mkdtempSync(join(dir, 'tmp-'));
  });
  after(async () => {
    daemon.closeAllConnections();
    await new Promise((resolve) => daemon.close(resolve));
    rmSync(dir, { recursive: true });
  });

  const start = (...args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [CLI, 'node', 'proxy', ...args], {
      env: { ...process.env, SWARMTS_HOST: `unix://${join(dir, 'api.sock')}`, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const firstLine = async (proxy: ChildProcess): Promise<string> => {
    assert.ok(proxy.stdout);
    const [chunk] = (await once(proxy.stdout, 'data')) as [Buffer];
    return chunk.toString().trim();
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`takes its socket away when ${signal} ends it, also while somebody is connected`, async () => {
      const proxy = start('w1');
      const [, path = ''] = (await firstLine(proxy)).split('unix://');
      const client = connect(path);
      client.on('error', () => undefined);
      await once(client, 'connect');
      assert.equal(readdirSync(temporary).length, 1);
      const closed = once(client, 'close');
      proxy.kill(signal);
      assert.deepEqual(await once(proxy, 'close'), [0, null]);
      await closed;
      assert.deepEqual(readdirSync(temporary), []);
    });
  }

  it('ends the command that it runs, waits for it, and tells how it ended', async () => {
    const proxy = start('w1', 'sh', '-c', 'trap "exit 7" TERM; echo up; while :; do sleep 0.05; done');
    assert.equal(await firstLine(proxy), 'up');
    proxy.kill('SIGTERM');
    assert.deepEqual(await once(proxy, 'close'), [7, null]);
    assert.deepEqual(readdirSync(temporary), []);
    const killed = start('w1', 'sh', '-c', 'kill -KILL $$');
    assert.deepEqual(await once(killed, 'close'), [137, null]);
  });

  it('leaves nothing behind when it cannot listen', async () => {
    const proxy = start('--socket', '/nowhere/a.sock', 'w1');
    assert.deepEqual(await once(proxy, 'close'), [1, null]);
    assert.deepEqual(readdirSync(temporary), []);
  });
});
