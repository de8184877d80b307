import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { isSwarmtsError } from '@swarmts/lib';
import { probeByBinding } from './port-probe.js';
import { FIRST_DYNAMIC_PORT, PortTable } from './ports.js';

const free = () => Promise.resolve(true);

function request(publishedPort: number, hostIp = '', protocol: 'tcp' | 'udp' = 'tcp') {
  return { protocol, hostIp, publishedPort, targetPort: 80 };
}

describe('published ports', () => {
  it('have one owner each, who is named to the second one', async () => {
    const table = new PortTable(free);
    await table.reserve('web', [request(8080)]);
    await assert.rejects(
      table.reserve('api', [request(8080)]),
      (e) =>
        isSwarmtsError(e, 'port-conflict') && /0\.0\.0\.0:8080\/tcp: port is already allocated .* web/.test(e.message),
    );
    await table.reserve('api', [request(8080, '', 'udp')]);
  });

  it('overlap with those on every address, not with those on another one', async () => {
    const table = new PortTable(free);
    await table.reserve('a', [request(80, '127.0.0.1')]);
    await table.reserve('b', [request(80, '192.0.2.1')]);
    await assert.rejects(table.reserve('c', [request(80, '0.0.0.0')]), /already allocated/);
    await assert.rejects(table.reserve('c', [request(80, '127.0.0.1')]), /already allocated/);
    await table.reserve('c', [request(81)]);
    await assert.rejects(table.reserve('d', [request(81, '127.0.0.1')]), /already allocated/);
  });

  it('of a range are the first that is free', async () => {
    const table = new PortTable((_protocol, _ip, port) => Promise.resolve(port !== 8001));
    const range = { ...request(8000), lastPublishedPort: 8002 };
    await table.reserve('a', [request(8000)]);
    assert.deepEqual(await table.reserve('b', [range]), [request(8002)]);
    await assert.rejects(table.reserve('c', [range]), /0\.0\.0\.0:8002\/tcp: port is already allocated .* b/);
    await assert.rejects(
      table.reserve('d', [{ ...range, lastPublishedPort: 7999 }]),
      /no valid range of ports: 8000-7999/,
    );
  });

  it('that are asked for by number are not chosen for others of the same container', async () => {
    const table = new PortTable(free);
    const to = (targetPort: number, publishedPort: number) => ({ ...request(publishedPort), targetPort });
    const range = { ...to(81, 32769), lastPublishedPort: 32771 };
    const wanted = [to(80, 0), to(8080, 32768), range, to(82, 32769)];
    const ports = await table.reserve('c1', wanted);
    assert.deepEqual(
      ports.map((p) => [p.publishedPort, p.targetPort]),
      [
        [32771, 80],
        [32768, 8080],
        [32770, 81],
        [32769, 82],
      ],
    );
  });

  it('are reserved all or none', async () => {
    const table = new PortTable(free);
    await table.reserve('a', [request(443)]);
    await assert.rejects(table.reserve('b', [request(80), request(443)]), /443/);
    await table.reserve('c', [request(80)]);
  });

  it('are free again when they are released', async () => {
    const table = new PortTable(free);
    table.release(await table.reserve('a', [request(80), request(0)]));
    assert.deepEqual(await table.reserve('b', [request(80)]), [request(80)]);
  });

  it('are chosen from the dynamic range, without those that processes hold', async () => {
    const table = new PortTable((_protocol, _ip, port) => Promise.resolve(port !== FIRST_DYNAMIC_PORT + 1));
    const ports = await table.reserve('a', [request(0), request(0)]);
    assert.deepEqual(
      ports.map((p) => p.publishedPort),
      [FIRST_DYNAMIC_PORT, FIRST_DYNAMIC_PORT + 2],
    );
  });

  it('end with an error when nothing is free', async () => {
    const table = new PortTable(() => Promise.resolve(false));
    await assert.rejects(table.reserve('a', [request(0)]), (e) => isSwarmtsError(e, 'resource-exhausted'));
  });

  it('do not race: of two at once one gets the port', async () => {
    const table = new PortTable(free);
    const results = await Promise.allSettled(['a', 'b'].map((owner) => table.reserve(owner, [request(80)])));
    assert.deepEqual(results.map((r) => r.status).sort(), ['fulfilled', 'rejected']);
  });

  it('on every address are on both families where the host has both, under one number', async () => {
    const onIpv6 = (port: number) => request(port, '::');
    let busy = '';
    const probe = (_protocol: string, ip: string, port: number) => Promise.resolve(busy !== `${ip} ${port}`);
    const table = new PortTable(probe, () => true);
    assert.deepEqual(await table.reserve('a', [request(80)]), [request(80), onIpv6(80)]);
    assert.deepEqual(await table.reserve('b', [request(81, '0.0.0.0')]), [request(81)]);
    assert.deepEqual(await table.reserve('c', [request(81, '::1')]), [request(81, '::1')]);
    await assert.rejects(table.reserve('d', [request(81, '::')]), /\[::\]:81\/tcp: port is already allocated .* c/);
    await assert.rejects(table.reserve('d', [request(80, 'fd00::1')]), /\[fd00::1\]:80\/tcp: .* a/);
    busy = ':: 82';
    await assert.rejects(table.reserve('d', [request(82)]), /\[::\]:82\/tcp: address already in use by a process/);
    assert.deepEqual(await table.reserve('d', [request(82, '0.0.0.0')]), [request(82)]);
    busy = `:: ${FIRST_DYNAMIC_PORT}`;
    const chosen = await table.reserve('e', [request(0)]);
    assert.deepEqual(chosen, [request(FIRST_DYNAMIC_PORT + 1), onIpv6(FIRST_DYNAMIC_PORT + 1)]);
    const sctp = { protocol: 'sctp', publishedPort: 90, targetPort: 90 } as const;
    assert.equal((await table.reserve('f', [sctp])).length, 1);
    await assert.rejects(table.reserve('f', [{ ...sctp, hostIp: '::1' }]), /SCTP is published on IPv4 addresses alone/);
  });

  it('must be ports', async () => {
    const table = new PortTable(free);
    for (const bad of [request(65536), request(-1), { ...request(80), targetPort: 0 }, request(80, 'localhost')]) {
      await assert.rejects(table.reserve('a', [bad]), (e) => isSwarmtsError(e, 'invalid-argument'));
    }
  });

  it('are not taken from a process of the host that listens', async () => {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const udp = createSocket('udp4').bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const address = tcp.address();
    assert.ok(address !== null && typeof address === 'object');
    const table = new PortTable(probeByBinding);
    try {
      for (const taken of [request(address.port, '127.0.0.1'), request(udp.address().port, '127.0.0.1', 'udp')]) {
        await assert.rejects(
          table.reserve('a', [taken]),
          (e) => isSwarmtsError(e, 'port-conflict') && e.message.includes('address already in use'),
        );
      }
    } finally {
      await new Promise((resolve) => tcp.close(resolve));
      await new Promise<void>((resolve) => udp.close(resolve));
    }
    assert.equal((await table.reserve('a', [request(address.port, '127.0.0.1')])).length, 1);
  });

  it('that a service has on every node are refused with its name, and never chosen', async () => {
    const mesh = new PortTable(free, undefined, (protocol, port) =>
      protocol === 'tcp' && (port === 8080 || port === FIRST_DYNAMIC_PORT) ? 'web' : undefined,
    );
    for (const hostIp of ['', '127.0.0.1']) {
      await assert.rejects(
        mesh.reserve('a', [{ protocol: 'tcp', hostIp, publishedPort: 8080, targetPort: 80 }]),
        (e) =>
          isSwarmtsError(e, 'port-conflict') && /:8080\/tcp: port is already allocated by service web/.test(e.message),
      );
    }
    const [udp, chosen, ranged] = await mesh.reserve('a', [
      { protocol: 'udp', publishedPort: 8080, targetPort: 80 },
      { protocol: 'tcp', publishedPort: 0, targetPort: 80 },
      { protocol: 'tcp', publishedPort: 8080, lastPublishedPort: 8081, targetPort: 80 },
    ]);
    assert.deepEqual(
      [udp, chosen, ranged].map((p) => p?.publishedPort),
      [8080, FIRST_DYNAMIC_PORT + 1, 8081],
    );
    const known = { protocol: 'tcp', hostIp: '', publishedPort: 8080, targetPort: 80 } as const;
    mesh.adopt('before', [known]);
  });
});
