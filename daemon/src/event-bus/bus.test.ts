import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import { freePort } from '@swarmts/lib/testing';
import { type Bus, subjectOf } from './bus.js';
import { parseBusUrl } from './bus-url.js';
import { MemoryBus } from './memory-bus.js';
import { NatsBus } from './nats-bus.js';

/** Debian's nats-server with JetStream, on loopback. */
class NatsServer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'swarmts-nats-'));
  port = 0;
  #process: ChildProcess | undefined;

  async start(): Promise<void> {
    this.port ||= await freePort();
    const args = [
      '-js',
      '-sd',
      this.#dir,
      '-a',
      '127.0.0.1',
      '-p',
      String(this.port),
      '--user',
      'ann',
      '--pass',
      'p:1',
    ];
    this.#process = spawn('nats-server', args, { stdio: 'ignore' });
    while (!(await answers(this.port))) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true });
  }
}

const message = (subject: string, n: number) => ({
  subject,
  id: `id-${n}`,
  headers: { 'Swarmts-Version': String(n) },
  data: JSON.stringify({ n }),
});

describe('the event bus', function () {
  this.timeout(30_000);
  const server = new NatsServer();
  before(() => server.start());
  after(async () => {
    await server.stop();
    server.remove();
  });
  const nats = () => new NatsBus(`nats://ann:p%3A1@127.0.0.1:${server.port}`, ['events', 'logs'], silentLogger);

  for (const [name, make] of [
    ['in memory', () => new MemoryBus()],
    ['of NATS', nats],
  ] as const) {
    describe(name, () => {
      let bus: Bus;
      before(() => {
        bus = make();
      });
      after(() => bus.close());

      it('knows the last message under a subject, with wildcards', async () => {
        const all = 'swarmts.c1.events.>';
        assert.equal(await bus.lastHeaders('events', all), undefined);
        await bus.publish(message('swarmts.c1.events.service.create', 1));
        await bus.publish(message('swarmts.c1.events.node.update', 2));
        await bus.publish(message('swarmts.c2.events.node.update', 3));
        assert.equal((await bus.lastHeaders('events', all))?.['Swarmts-Version'], '2');
        assert.equal((await bus.lastHeaders('events', 'swarmts.c1.events.service.create'))?.['Swarmts-Version'], '1');
      });

      it('keeps a message once, however often it is published', async () => {
        await bus.publish(message('swarmts.c3.events.node.update', 4));
        await bus.publish({ ...message('swarmts.c3.events.node.update', 4), headers: { 'Swarmts-Version': 'again' } });
        assert.equal((await bus.lastHeaders('events', 'swarmts.c3.events.>'))?.['Swarmts-Version'], '4');
      });
    });
  }

  it('of NATS says that it is away, and goes on when it is back, with what it had', async () => {
    const bus = nats();
    try {
      await bus.publish(message('swarmts.c4.events.node.update', 5));
      await server.stop();
      await assert.rejects(bus.publish(message('swarmts.c4.events.node.update', 6)), (e) =>
        isSwarmtsError(e, 'unavailable'),
      );
      await server.start();
      for (let tries = 0; ; tries++) {
        try {
          await bus.publish(message('swarmts.c4.events.node.update', 7));
          break;
        } catch (e) {
          if (tries > 20) throw e;
        }
      }
      assert.equal((await bus.lastHeaders('events', 'swarmts.c4.events.>'))?.['Swarmts-Version'], '7');
    } finally {
      await bus.close();
    }
  });

  it('of NATS makes a stream again that somebody deleted', async () => {
    const connection = await connectNats({ servers: `127.0.0.1:${server.port}`, user: 'ann', pass: 'p:1' });
    const bus = nats();
    try {
      const { streams } = await jetstreamManager(connection);
      await bus.publish(message('swarmts.c5.events.node.update', 8));
      await streams.delete('SWARMTS_EVENTS');
      await bus.publish(message('swarmts.c5.events.node.update', 9));
      assert.equal((await bus.lastHeaders('events', 'swarmts.c5.events.>'))?.['Swarmts-Version'], '9');
      await streams.delete('SWARMTS_EVENTS');
      assert.equal(await bus.lastHeaders('events', 'swarmts.c5.events.>'), undefined);
      assert.deepEqual((await streams.info('SWARMTS_EVENTS')).config.subjects, ['swarmts.*.events.>']);
    } finally {
      await bus.close();
      await connection.close();
    }
  });

  it('of NATS fails at once where nobody listens', async () => {
    const bus = new NatsBus(`nats://127.0.0.1:${await freePort()}`, ['events'], silentLogger);
    await assert.rejects(bus.publish(message('swarmts.x.events.a.b', 1)), /the event bus does not take messages/);
    await bus.close();
  });

  it('is named by an address', () => {
    assert.deepEqual(parseBusUrl('nats://a:1,b'), { servers: ['a:1', 'b'], tls: false });
    assert.deepEqual(parseBusUrl('tls://u:p%40w@h:4222/'), { servers: ['h:4222'], user: 'u', pass: 'p@w', tls: true });
    for (const bad of ['', 'h:4222', 'http://h', 'nats://', 'nats://h:x', 'nats://u@h', 'nats://a b'])
      assert.throws(() => parseBusUrl(bad), /invalid --event-bus: use nats:/, bad);
  });

  it('has subjects without dots and wildcards in their parts', () => {
    assert.equal(subjectOf('c', 'logs', 'a.b *', '>', ''), 'swarmts.c.logs.a_b__._._');
  });
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
