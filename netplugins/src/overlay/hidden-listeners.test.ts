import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@swarmts/lib';
import { HiddenListeners } from './hidden-listeners.js';
import type { MeshPort } from './mesh-rules.js';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const ZERO = '00000000';
const row = (address: string, state: string, inode: number) =>
  `   0: ${address} ${ZERO}:0000 ${state} ${ZERO}:${ZERO} 00:${ZERO} ${ZERO}     0        0 ${inode} 1 ${ZERO}`;

describe('programs of a node that listen to published ports', () => {
  let dir = '';
  let published: readonly MeshPort[] = [];
  const told: string[] = [];
  beforeEach(() => {
    told.length = 0;
    dir = mkdtempSync(join(tmpdir(), 'proc-'));
    mkdirSync(join(dir, 'thread-self/net'), { recursive: true });
    mkdirSync(join(dir, '77/fd'), { recursive: true });
    writeFileSync(join(dir, '77/comm'), 'nginx\n');
    symlinkSync('socket:[501]', join(dir, '77/fd/3'));
    // Port 8080: one that listens, one connection; 53 in UDP, of nobody who can be found.
    write('tcp', row('0100007F:1F92', '0A', 500), row('0A00000A:1F91', '01', 502));
    write('tcp6', row(`${ZERO.repeat(4)}:1F90`, '0A', 501));
    write('udp', row('00000000:0035', '07', 600));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const write = (table: string, ...rows: readonly string[]) =>
    writeFileSync(join(dir, 'thread-self/net', table), `${[HEAD, ...rows].join('\n')}\n`);
  const logger: Logger = {
    ...silentLogger,
    warn: (_, fields) => void told.push(`${fields?.port} ${fields?.service} ${fields?.program}`),
  };
  const open = () => new HiddenListeners({ logger, published: () => published, procDir: dir });
  const port = (protocol: string, number: number): MeshPort => ({ service: 'web', protocol, port: number });

  it('are told with their name, once, when they are there twice', async () => {
    const hidden = open();
    published = [port('tcp', 8080), port('tcp', 8081), port('udp', 53), port('tcp', 53)];
    await hidden.look();
    assert.deepEqual(told, []);
    await hidden.look();
    await hidden.look();
    assert.deepEqual(told, ['8080/tcp web nginx (pid 77)', '53/udp web ']);
    published = [];
    await hidden.look();
    published = [port('tcp', 8080)];
    await hidden.look();
    await hidden.look();
    assert.equal(told.length, 3, 'published anew');
  });

  it('are not told when they are gone at once', async () => {
    const hidden = open();
    published = [port('udp', 53)];
    await hidden.look();
    write('udp');
    await hidden.look();
    assert.deepEqual(told, []);
  });

  it('are listed as they are now', async () => {
    const hidden = open();
    published = [port('tcp', 8080)];
    assert.deepEqual(await hidden.list(), [{ ...port('tcp', 8080), program: 'nginx (pid 77)' }]);
    write('tcp6');
    assert.deepEqual(await hidden.list(), []);
  });
});
