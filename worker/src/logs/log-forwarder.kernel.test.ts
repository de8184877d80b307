/** Lines that are passed on to syslog and journald, and none of them twice or never. Needs root. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerConfig } from '../engine/engine-api.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, freePort, TestRegistry } from '../engine/engine-bed.js';
import { parseSinkAddress } from './log-sink.js';
import { journalMessage, syslogMessage } from './syslog-format.js';

const ENTRY = { stream: 'stderr', timeNs: 1_700_000_000_123_456_789n, line: Buffer.from('hello\n') } as const;
const ORIGIN = { id: 'c'.repeat(64), name: 'web', image: 'img', hostname: 'box', options: {} };

describe('the formats of syslog and journald', () => {
  const text = (options: Record<string, string>, local = false) =>
    String(syslogMessage(ENTRY, { ...ORIGIN, options }, local));

  it('are those that their readers know', () => {
    assert.match(text({}), /^<27>Nov 1\d \d\d:\d3:20 box c{12}\[\d+\]: hello$/);
    assert.match(text({}, true), /^<27>Nov 1\d \d\d:\d3:20 c{12}\[\d+\]: hello$/);
    const rfc5424 = { 'syslog-format': 'rfc5424micro', 'syslog-facility': 'local0', tag: 'app/{{.Name}}' };
    assert.match(text(rfc5424), /^<131>1 2023-11-14T22:13:20\.123456Z box app\/web \d+ app\/web - hello$/);
    const journal = journalMessage(ENTRY, ORIGIN);
    assert.match(journal.toString('latin1'), /PRIORITY=3\n[\s\S]*CONTAINER_NAME=web\n/);
    assert.ok(journal.toString('latin1').endsWith('MESSAGE\n\u0005\0\0\0\0\0\0\0hello\n'));
  });

  it('have addresses of several kinds', () => {
    assert.deepEqual(parseSinkAddress('udp://[::1]:99'), { kind: 'udp', host: '::1', port: 99, path: '' });
    assert.deepEqual(parseSinkAddress('tcp+tls://log.test'), { kind: 'tls', host: 'log.test', port: 514, path: '' });
    assert.throws(
      () => parseSinkAddress('nonsense'),
      /syslog-address should be in form proto:\/\/address, got nonsense/,
    );
    assert.throws(() => parseSinkAddress('unix:///nope'), /stat \/nope: no such file or directory/);
  });
});

describe('the syslog driver', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  let dir: string;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-syslog-'));
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const logged = (address: string): Partial<ContainerConfig> => ({
    log: { driver: 'syslog', maxSizeBytes: 0, maxFiles: 0, options: { 'syslog-address': address, tag: 't' } },
  });

  it('sends every line over TCP once, also those of a time without a daemon and without a listener', async () => {
    const port = await freePort();
    const seen: string[] = [];
    const listen = async () => {
      const server = createServer((s) => s.on('data', (d) => seen.push(...d.toString().split('\n').filter(Boolean))));
      server.on('connection', (s) => sockets.add(s.on('close', () => sockets.delete(s))));
      const sockets = new Set<{ destroy(): unknown }>();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      return async () => {
        for (const s of sockets) s.destroy();
        await new Promise((resolve) => server.close(resolve));
      };
    };
    const numbers = () => seen.map((l) => Number(/: line (\d+)$/.exec(l)?.[1]));
    let stop = await listen();
    const script = 'i=0; while test $i -lt 60; do echo line $i; i=$((i+1)); sleep 0.05; done';
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script], logged(`tcp://127.0.0.1:${port}`)));
    await bed.engine.start(id);
    await eventually(() => seen.length >= 3, 'lines arrive');
    await bed.engine.close();
    await bed.open();
    await eventually(() => seen.length >= 20, 'more lines arrive after a restart');
    await stop();
    stop = await listen();
    await bed.engine.wait(id);
    await eventually(() => numbers().includes(59), 'the last line arrives', 20_000);
    await stop();
    // What was in a connection when it broke may be lost with it: TCP does not tell. Nothing comes twice, or out of order.
    assert.deepEqual([...new Set(numbers())].length, numbers().length);
    assert.deepEqual(
      [...numbers()].sort((a, b) => a - b),
      numbers(),
    );
    assert.ok(numbers().length >= 55, `${numbers().length} of 60 lines`);
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('sends datagrams over UDP, and refuses to start where nobody listens', async () => {
    const socket = createSocket('udp4');
    const seen: string[] = [];
    socket.on('message', (m) => seen.push(m.toString()));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const config = containerConfig(image, ['echo', 'over udp'], logged(`udp://127.0.0.1:${socket.address().port}`));
    const id = await bed.engine.create(config);
    await bed.engine.start(id);
    await eventually(() => seen.some((l) => /^<30>.* t\[\d+\]: over udp$/.test(l)), 'it arrives');
    socket.close();
    const nobody = containerConfig(image, ['true'], logged(`tcp://127.0.0.1:${await freePort()}`));
    const refused = await bed.engine.create(nobody);
    await assert.rejects(bed.engine.start(refused), /failed to initialize logging driver: dial tcp 127\.0\.0\.1:\d+/);
    const odd = { log: { driver: 'syslog', maxSizeBytes: 0, maxFiles: 0, options: { nope: 'x' } } } as const;
    await assert.rejects(
      bed.engine.create(containerConfig(image, ['true'], odd)),
      /unknown log opt 'nope' for syslog log driver/,
    );
  });
});
