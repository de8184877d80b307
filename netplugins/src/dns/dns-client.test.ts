import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimulatedClock, silentLogger } from '@swarmts/lib';
import { LineDecoder } from '../control/line-decoder.js';
import { DnsClient } from './dns-client.js';
import type { DnsContainer, DnsUpdate } from './protocol.js';

const container = (id: string, networkIds: readonly string[] = ['net1']): DnsContainer => ({
  id,
  netns: `/run/${id}`,
  networkIds,
  servers: [],
  isInternal: false,
});

describe('what the name server is told of containers', () => {
  let dir: string;
  let server: Server;
  let sockets: Socket[];
  let client: DnsClient;
  const clock = new SimulatedClock();
  const told: string[] = [];
  const failing = new Set<string>();
  const warned: string[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-names-'));
    told.length = 0;
    failing.clear();
    warned.length = 0;
    sockets = [];
    server = createServer((socket) => {
      sockets.push(socket);
      const decoder = new LineDecoder();
      socket.on('data', (chunk) => {
        for (const line of decoder.push(chunk)) socket.write(`${JSON.stringify(answerTo(JSON.parse(line)))}\n`);
      });
    });
    server.listen(join(dir, 's'));
    await once(server, 'listening');
    client = new DnsClient({
      socketPath: join(dir, 's'),
      spawn: () => Promise.reject(new Error('it is there')),
      clock,
      logger: { ...silentLogger, warn: (message, fields) => void warned.push(`${message} ${fields?.reasons}`) },
      networks: () => [],
      isComplete: () => true,
    });
  });
  afterEach(() => {
    client.close();
    for (const s of sockets) s.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  });

  function answerTo({ sequence, reset, containers, removedContainerIds }: DnsUpdate) {
    const words = [...containers.map((c) => `+${c.id}`), ...removedContainerIds.map((id) => `-${id}`)];
    told.push(`${reset ? 'all ' : ''}${words.join(' ')}`);
    return { sequence, failed: Object.fromEntries([...failing].map((id) => [id, 'no namespace'])) };
  }

  it('is each once, and those that have changed again', async () => {
    await client.put(container('a'));
    await client.put(container('b'));
    await client.inForce();
    await client.put(container('a', ['net1', 'net2']));
    assert.deepEqual(told, ['all +a', '+b', '+a']);
  });

  it('is one again that was started again, however soon', async () => {
    await client.put(container('a'));
    client.remove('a');
    await client.put(container('a'));
    assert.deepEqual(told, ['all +a', '+a']);
    client.remove('a');
    await client.inForce();
    assert.deepEqual(told.at(-1), '-a');
  });

  it('is one again that could not be served', async () => {
    failing.add('a');
    await assert.rejects(client.put(container('a')), /name server of container a did not start: no namespace/);
    await client.repair();
    await client.repair();
    assert.deepEqual(warned, ['containers have no name server yet {"a":"no namespace"}'], 'once');
    failing.clear();
    told.length = 1;
    await client.repair();
    await client.repair();
    assert.deepEqual(told, ['all +a', '+a']);
  });
});
