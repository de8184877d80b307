import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@swarmts/lib';
import { LineDecoder } from '../control/line-decoder.js';
import { ForwardClient } from './forward-client.js';
import { type ForwardUpdate, forwardKey, type PortForward } from './protocol.js';

const forward = (port: number): PortForward => ({
  protocol: 'tcp',
  hostIp: '::',
  port,
  address: '172.30.0.2',
  targetPort: 80,
});

describe('what the process that forwards ports is told', () => {
  let dir: string;
  let server: Server | undefined;
  let sockets: Socket[];
  let client: ForwardClient;
  const told: string[] = [];
  /** Ports that somebody else has. */
  const taken = new Set<number>();

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-forward-'));
    sockets = [];
    told.length = 0;
    taken.clear();
    client = new ForwardClient({ socketPath: join(dir, 's'), spawn: start, clock: systemClock });
  });
  afterEach(() => {
    client.close();
    kill();
    rmSync(dir, { recursive: true });
  });

  async function start(): Promise<void> {
    server = createServer((socket) => {
      sockets.push(socket);
      const decoder = new LineDecoder();
      socket.on('data', (chunk) => {
        for (const line of decoder.push(chunk)) socket.write(`${JSON.stringify(answerTo(JSON.parse(line)))}\n`);
      });
    });
    server.listen(join(dir, 's'));
    await once(server, 'listening');
  }

  function answerTo({ sequence, reset, added, removed }: ForwardUpdate) {
    told.push(`${reset ? 'all' : 'more'} ${added.map((f) => f.port)} without ${removed.length}`);
    const failed = added.filter((f) => taken.has(f.port)).map((f) => [forwardKey(f), 'taken']);
    return { sequence, failed: Object.fromEntries(failed) };
  }

  function kill(): void {
    for (const s of sockets) s.destroy();
    server?.close();
    server = undefined;
  }

  it('is nothing while there is nothing to forward', async () => {
    assert.deepEqual([await client.set([]), await client.change([], [forward(1)]), told], [{}, {}, []]);
  });

  it('is what has changed alone, however much there is', async () => {
    await client.set([1, 2, 3].map(forward));
    await client.change([forward(4)], []);
    await client.change([], [forward(2)]);
    await client.set([1, 3, 4].map(forward));
    await client.change([forward(5)], [forward(9)]);
    await client.set([1, 5].map(forward));
    assert.deepEqual(told, [
      'all 1,2,3 without 0',
      'more 4 without 0',
      'more  without 1',
      'more 5 without 0',
      'more  without 2',
    ]);
  });

  it('are those again that could not be had', async () => {
    taken.add(2);
    assert.deepEqual(await client.set([1, 2].map(forward)), { [forwardKey(forward(2))]: 'taken' });
    await client.change([], [forward(2)]);
    taken.clear();
    assert.deepEqual(await client.set([1, 2].map(forward)), {});
    assert.deepEqual(told, ['all 1,2 without 0', 'more 2 without 0']);
  });

  it('is everything when it was killed', async () => {
    await client.set([1, 2].map(forward));
    kill();
    rmSync(join(dir, 's'), { force: true });
    // Whether this one notices is a matter of time.
    await client.change([forward(3)], [forward(1)]).catch(() => undefined);
    await client.set([2, 3].map(forward));
    assert.deepEqual(told, ['all 1,2 without 0', 'all 2,3 without 0']);
  });
});
