import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeStaleSockets } from './stale-sockets.js';

describe('sockets that a killed process has left', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-sockets-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const abandoned = async (name: string) => {
    const script = `require('net').createServer().listen(${JSON.stringify(join(dir, name))}, () => console.log('ready'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  it('go, and those that somebody listens at, or that are others’, stay', async () => {
    await abandoned('swg1.sock');
    await abandoned('wg0.sock');
    writeFileSync(join(dir, 'swg1.log'), '');
    const server = createServer().listen(join(dir, 'swg2.sock'));
    await once(server, 'listening');
    await removeStaleSockets(dir, 'swg', 0);
    assert.deepEqual(readdirSync(dir).sort(), ['swg1.log', 'swg2.sock', 'wg0.sock']);
    server.close();
    await once(server, 'close');
  });

  it('stay while they are so new that somebody may be about to listen', async () => {
    await abandoned('swg1.sock');
    await removeStaleSockets(dir, 'swg');
    assert.deepEqual(readdirSync(dir), ['swg1.sock']);
  });

  it('are none where there is no such directory', async () => {
    await removeStaleSockets(join(dir, 'none'), 'swg');
  });
});
