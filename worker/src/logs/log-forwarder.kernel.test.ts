/** Lines that are passed on to syslog and journald, and none of them twice or never. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { freePort } from '@swarmts/lib/testing';
import type { ContainerConfig } from '../engine/container-config.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, TestRegistry } from '../engine/engine-bed.js';
import { journalMessage } from './journal-format.js';
import { parseSinkAddress } from './log-sink.js';
import { syslogMessage } from './syslog-format.js';

const ENTRY = { stream: 'stderr', timeNs: 1_700_000_000_123_456_789n, line: Buffer.from('hello\n') } as const;
const ORIGIN = { id: 'c'.repeat(64), name: 'web', image: 'img', hostname: 'box', labels: {}, env: [], options: {} };

describe('the formats of syslog and journald', () => {
  const text = (options: Record<string, string>, local = false) =>
    String(syslogMessage(ENTRY, { ...ORIGIN, options }, local));

  it('are those that their readers know', () => {
    assert.match(text({}), /^<27>Nov 1\d \d\d:\d3:20 box c{12}\[\d+\]: hello$/);
    assert.match(text({}, true), /^<27>Nov 1\d \d\d:\d3:20 c{12}\[\d+\]: hello$/);
    const rfc5424 = { 'syslog-format': 'rfc5424micro', 'syslog-facility': 'local0', tag: 'app/{{.Name}}' };
    assert.match(text(rfc5424), /^<131>1 2023-11-14T22:13:20\.123456Z box app\/web \d+ app\/web - hello$/);
  });

  it('of the journal carries the length of the line, and what of the container was asked for', () => {
    const options = { labels: 'com.example.team', 'env-regex': '^A' };
    const origin = { ...ORIGIN, options, labels: { 'com.example.team': 'blue', other: 'x' }, env: ['A_B=1', 'C=2'] };
    const journal = journalMessage(ENTRY, origin).toString('latin1');
    assert.match(journal, /PRIORITY=3\n[\s\S]*CONTAINER_NAME=web\n/);
    assert.match(journal, /\nCOM_EXAMPLE_TEAM=blue\nA_B=1\n/);
    assert.doesNotMatch(journal, /OTHER=|\nC=/);
    assert.ok(journal.endsWith('MESSAGE\n\u0005\0\0\0\0\0\0\0hello\n'));
  });

  it('of the journal says of a piece of a line that it is one', () => {
    const partial = (line: string) =>
      journalMessage({ ...ENTRY, line: Buffer.from(line) }, ORIGIN).includes('CONTAINER_PARTIAL_MESSAGE=true\n');
    assert.deepEqual([partial('piece'), partial('end\n')], [true, false]);
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

  it('sends lines over TLS to whom the certificate belongs', async () => {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', [...make, '-keyout', key, '-out', cert, ...names], { stdio: 'pipe' });
    const seen: string[] = [];
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (s) =>
      s.on('data', (d) => seen.push(d.toString())).on('error', () => undefined),
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // Listening on TCP.
    const address = `tcp+tls://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const echo = async (word: string, options: Record<string, string>) => {
      const log = { driver: 'syslog', options: {} };
      const id = await bed.engine.create(
        containerConfig(image, ['echo', word], { log: { ...log, options: { ...options, 'syslog-address': address } } }),
      );
      await bed.engine.start(id);
      await eventually(() => seen.join('').includes(`: ${word}\n`), `${word} arrives`);
    };
    await echo('checked', { 'syslog-tls-ca-cert': cert });
    await echo('unchecked', { 'syslog-tls-skip-verify': 'true' });
    await assert.rejects(
      echo('never', {}),
      /failed to initialize logging driver: dial tls 127\.0\.0\.1:\d+: .*self.signed/,
    );
    await assert.rejects(
      echo('never', { 'syslog-tls-ca-cert': '/nope' }),
      /failed to initialize logging driver: .*\/nope/,
    );
    await new Promise((resolve) => server.close(resolve));
  });

  const logged = (address: string): Partial<ContainerConfig> => ({
    log: { driver: 'syslog', options: { 'syslog-address': address, tag: 't' } },
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

  /** Listens for lines, as long as `use` runs. */
  const withListener = async (use: (address: string, seen: readonly string[]) => Promise<void>) => {
    const socket = createSocket('udp4');
    const seen: string[] = [];
    socket.on('message', (m) => seen.push(m.toString()));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    try {
      await use(`udp://127.0.0.1:${socket.address().port}`, seen);
    } finally {
      socket.close();
    }
  };

  it('sends what a container wrote to its end while there was no daemon', async () => {
    await withListener(async (address, seen) => {
      const script = 'while ! test -e /go; do sleep 0.05; done; echo meanwhile';
      const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script], logged(address)));
      await bed.engine.start(id);
      await bed.engine.close();
      writeFileSync(join(bed.dataRoot, 'containers', id, 'rootfs', 'go'), '');
      await eventually(() => existsSync(join(bed.execRoot, 'exits', id)), 'it has ended');
      await bed.open();
      await eventually(() => seen.some((l) => l.endsWith(': meanwhile')), 'the line arrives');
    });
  });

  it('sends datagrams over UDP, and refuses to start where nobody listens', async () => {
    await withListener(async (address, seen) => {
      const id = await bed.engine.create(containerConfig(image, ['echo', 'over udp'], logged(address)));
      await bed.engine.start(id);
      await eventually(() => seen.some((l) => /^<30>.* t\[\d+\]: over udp$/.test(l)), 'it arrives');
    });
    const nobody = containerConfig(image, ['true'], logged(`tcp://127.0.0.1:${await freePort()}`));
    const refused = await bed.engine.create(nobody);
    await assert.rejects(bed.engine.start(refused), /failed to initialize logging driver: dial tcp 127\.0\.0\.1:\d+/);
    const odd = { log: { driver: 'syslog', options: { nope: 'x' } } } as const;
    await assert.rejects(
      bed.engine.create(containerConfig(image, ['true'], odd)),
      /unknown log opt 'nope' for syslog log driver/,
    );
  });
});

/** Takes datagrams of a unix socket, which Node cannot, and prints each as a line of JSON. */
const JOURNAL = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(json.dumps(s.recv(1 << 18).decode("latin1")), flush=True)
`;

describe('the journald driver', function () {
  this.timeout(60_000);

  it('sends every line as an entry of the journal, and refuses to start where there is none', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-journal-'));
    const registry = await TestRegistry.start();
    const bed = await EngineBed.start({ journalSocket: join(dir, 'journal') });
    const { ref: image } = await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] });
    await bed.engine.images.pull(image, {});
    const log = { driver: 'journald', options: { tag: 'app', labels: 'team' } } as const;
    // In however many pieces the monitor reads the line: it is passed on in more than one.
    const script = 'echo out; echo err >&2; head -c 40000 /dev/zero | busybox tr "\\0" x; echo';
    const create = () =>
      bed.engine.create(containerConfig(image, ['sh', '-c', script], { log, labels: { team: 'blue' } }));
    await assert.rejects(bed.engine.start(await create()), /logging driver: journald is not enabled on this host/);
    const journal = spawn('python3', ['-c', JOURNAL, join(dir, 'journal')], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      let text = '';
      journal.stdout.on('data', (d) => (text += d));
      await eventually(() => text.startsWith('listening'), 'the journal listens');
      await bed.engine.start(await create());
      const entries = () =>
        text
          .split('\n')
          .slice(1, -1)
          .map((l): string => JSON.parse(l));
      const long = () => entries().filter((e) => /MESSAGE\n[\s\S]{8}x*\n$/.test(e));
      const length = () => long().reduce((sum, e) => sum + (e.match(/(x*)\n$/)?.[1]?.length ?? 0), 0);
      const isWhole = () => !long().at(-1)?.includes('CONTAINER_PARTIAL_MESSAGE=true');
      const isThere = () => length() === 40_000 && isWhole() && entries().length >= 2 + long().length;
      await eventually(isThere, 'entries arrive');
      const [out = ''] = entries().filter((e) => e.endsWith('out\n'));
      assert.match(out, /^PRIORITY=6\nCONTAINER_ID=\w{12}\n[\s\S]*TEAM=blue\nMESSAGE\n/);
      assert.ok(out.endsWith('\u0003\0\0\0\0\0\0\0out\n'));
      const [err = ''] = entries().filter((e) => e.endsWith('err\n'));
      assert.match(err, /^PRIORITY=3\n[\s\S]*\nCONTAINER_TAG=app\n/);
      const partial = long().map((m) => m.includes('CONTAINER_PARTIAL_MESSAGE=true'));
      assert.deepEqual([partial.at(0), partial.at(-1)], [true, false]);
    } finally {
      journal.kill();
      await bed.close();
      await registry.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
