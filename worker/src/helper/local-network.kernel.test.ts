/** The node's local network in the kernel: reachability in every direction, repairs, and what a crash leaves. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LocalEndpoint, LocalNetwork, noneNetwork, type PortRequest } from '@swarmts/netplugins';
import { deleteLink, isNamespaceFile, NetlinkSocket, withNetns } from 'vxlan-tools';
import { eventually, startTestHost, type TestHost } from './test-host.js';

const OUTSIDE = '192.0.2';

/** Somebody else's rules: a chain that drops by policy, one that drops by a rule, one that does not. */
const FIREWALL = `
add table ip filter
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
add table ip6 filter
add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }
add table inet firewall
add chain inet firewall passing { type filter hook forward priority 10; policy accept; }
add rule inet firewall passing counter drop
add chain inet firewall other { type filter hook forward priority 20; policy accept; }
add rule inet firewall other counter accept
add chain ip filter reject-forward
add rule ip filter reject-forward counter reject
add chain ip filter ufw { type filter hook forward priority 5; policy accept; }
add rule ip filter ufw counter jump reject-forward
`;

function tcp(publishedPort: number, targetPort: number, hostIp = ''): PortRequest {
  return { protocol: 'tcp', hostIp, publishedPort, targetPort };
}

describe('the local network in the kernel', function () {
  this.timeout(60_000);
  let host: TestHost;
  let network: LocalNetwork;
  let outside: string;

  function newNetwork(): LocalNetwork {
    // The test's process is not in the host's namespace, so its own ports say nothing here.
    return new LocalNetwork(host.helper, { probe: () => Promise.resolve(true) });
  }

  function attach(id: string): Promise<LocalEndpoint> {
    return network.attach(id, { netns: host.path(id) });
  }

  beforeEach(async () => {
    host = await startTestHost();
    outside = host.joinOutside('outside', OUTSIDE);
    // New namespaces inherit the machine's setting; a router would answer that it knows no way.
    await host.helper.setSysctls({ 'net.ipv4.ip_forward': '0' }, outside);
    network = newNetwork();
    await network.restore([]);
  });

  afterEach(async () => {
    await host.close();
  });

  it('lets containers reach each other, the host and, masqueraded, the outside', async () => {
    const a = await attach('a');
    const b = await attach('b');
    host.serve(b.netns, 80);
    host.serve(host.netns, 81);
    host.serve(outside, 82);
    assert.equal(await host.ping(a.netns, b.address), true);
    assert.equal(await host.fetch(a.netns, `http://${b.address}/`), a.address);
    assert.equal(await host.fetch(a.netns, `http://${network.gateway}:81/`), a.address);
    assert.equal(await host.fetch(host.netns, `http://${b.address}/`), network.gateway);
    assert.equal(await host.fetch(a.netns, `http://${OUTSIDE}.2:82/`), `${OUTSIDE}.1`);
  });

  it('reaches published ports from outside, through 127.0.0.1, from others and from itself', async () => {
    const a = await attach('a');
    const b = await attach('b');
    host.serve(a.netns, 80);
    await network.publish('a', [tcp(8080, 80)]);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.2`);
    assert.equal(await host.fetch(host.netns, 'http://127.0.0.1:8080/'), network.gateway);
    assert.equal(await host.fetch(host.netns, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.1`);
    assert.equal(await host.fetch(b.netns, `http://${OUTSIDE}.1:8080/`), b.address);
    assert.equal(await host.fetch(b.netns, `http://${network.gateway}:8080/`), b.address);
    assert.equal(await host.fetch(a.netns, `http://${OUTSIDE}.1:8080/`), network.gateway);
    await network.unpublish('a');
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined);
    assert.equal(await host.fetch(host.netns, 'http://127.0.0.1:8080/'), undefined);
  });

  it('publishes on one address of the host only when told so', async () => {
    const a = await attach('a');
    const b = await attach('b');
    host.serve(a.netns, 80);
    host.serve(b.netns, 80);
    await network.publish('a', [tcp(8080, 80, '127.0.0.1')]);
    await network.publish('b', [tcp(8080, 80, `${OUTSIDE}.1`)]);
    assert.equal(await host.fetch(host.netns, 'http://127.0.0.1:8080/'), network.gateway);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.2`);
    await network.unpublish('b');
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined);
  });

  it('keeps unpublished ports from the outside and the host loopback from containers', async () => {
    const a = await attach('a');
    host.serve(a.netns, 80);
    host.serve(host.netns, 9000);
    await host.run(outside, 'ip', 'route', 'add', network.subnet, 'via', `${OUTSIDE}.1`);
    assert.equal(await host.fetch(outside, `http://${a.address}/`), undefined);
    assert.equal(await host.fetch(host.netns, `http://${a.address}/`), network.gateway);
    // Straight to the host's loopback address: routable on the leg, but dropped there.
    await host.run(a.netns, 'ip', 'link', 'set', 'lo', 'down');
    await host.run(a.netns, 'ip', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
    await host.run(a.netns, 'ip', 'route', 'add', '127.0.0.0/8', 'via', network.gateway, 'src', a.address);
    await host.helper.setSysctls({ 'net.ipv4.conf.eth0.route_localnet': '1' }, a.netns);
    assert.equal(await host.fetch(a.netns, 'http://127.0.0.1:9000/'), undefined);
    await host.helper.nft('flush chain inet swarmts guard');
    assert.equal(await host.fetch(a.netns, 'http://127.0.0.1:9000/'), a.address, 'it is the guard that keeps it away');
    assert.equal(await host.fetch(host.netns, 'http://127.0.0.1:9000/'), '127.0.0.1');
  });

  it('lets a container send from its own address only', async () => {
    const a = await attach('a');
    const b = await attach('b');
    await host.run(a.netns, 'ip', 'addr', 'add', '172.30.77.77/32', 'dev', 'eth0');
    const ping = await host.run(a.netns, 'busybox', 'ping', '-c', '1', '-W', '1', '-I', '172.30.77.77', b.address);
    assert.notEqual(ping.code, 0);
    assert.equal(await host.ping(a.netns, b.address), true);
  });

  it('lets linked containers alone reach each other where containers do not', async () => {
    network = new LocalNetwork(host.helper, { icc: false, probe: () => Promise.resolve(true) });
    await network.restore([]);
    const [a, b] = [await attach('a'), await attach('b')];
    for (const port of [80, 81]) host.serve(b.netns, port);
    const reached = async () =>
      (await Promise.all([80, 81].map((port) => host.fetch(a.netns, `http://${b.address}:${port}/`)))) as unknown[];
    assert.deepEqual(await reached(), [undefined, undefined]);
    await network.link('a', [{ address: b.address, protocol: 'tcp', port: 80 }]);
    assert.deepEqual(await reached(), [a.address, undefined]);
    assert.equal(await network.repair(), false);
    await network.link('a', []);
    assert.deepEqual(await reached(), [undefined, undefined]);
  });

  it('gives a container another leg while it runs: its address, ports and way out stay', async () => {
    const a = await attach('a');
    const b = await attach('b');
    host.serve(a.netns, 80);
    host.serve(outside, 82);
    await network.publish('a', [tcp(8080, 80)]);
    const says = async () => ({
      toNeighbour: await host.ping(a.netns, b.address),
      fromNeighbour: (await host.fetch(b.netns, `http://${a.address}/`)) !== undefined,
      published: await host.fetch(outside, `http://${OUTSIDE}.1:8080/`),
      out: await host.fetch(a.netns, `http://${OUTSIDE}.2:82/`),
    });
    const placed = { toNeighbour: true, fromNeighbour: true, published: `${OUTSIDE}.2`, out: `${OUTSIDE}.1` };
    assert.deepEqual(await says(), placed);
    const beside = async () => undefined;
    await network.move('a', { gatewayOnly: true }, beside);
    assert.deepEqual(await says(), { ...placed, toNeighbour: false, fromNeighbour: false });
    const moved = await network.move('a', { iface: 'eth3', mac: '02:00:00:00:00:99' }, beside);
    assert.deepEqual([moved.address, await says()], [a.address, placed]);
    const links = (await host.run(a.netns, 'ip', '-o', 'link')).stdout;
    assert.match(String(links), /eth3.*02:00:00:00:00:99/);
    assert.doesNotMatch(String(links), /gw|eth0/);
    await network.leave('a');
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined);
    assert.equal(isNamespaceFile(a.netns), true);
    await network.attach('a', { netns: a.netns, iface: 'eth1' });
    assert.equal(await host.ping(a.netns, b.address), true);
  });

  it('finishes a leg that was being exchanged when the daemon ended', async () => {
    const a = await attach('a');
    const b = await attach('b');
    let planned = a;
    await network.move('a', { gatewayOnly: true }, async (p) => {
      planned = p;
    });
    // The daemon ended before the old leg was gone, or before the new one was made.
    for (const before of [{ ...a, replaces: 'gw' }, planned]) {
      network = newNetwork();
      await network.restore([before, b]);
      assert.equal(await host.ping(a.netns, b.address), before.containerIface === 'eth0');
      const links = String((await host.run(a.netns, 'ip', '-o', 'link')).stdout);
      assert.equal(links.includes('eth0'), before.containerIface === 'eth0');
    }
  });

  it('answers for containers that are gone instead of asking the default route', async () => {
    const a = await attach('a');
    await host.run(host.netns, 'ip', 'route', 'add', 'default', 'via', `${OUTSIDE}.2`);
    // 7: an error at once; 28 would be a timeout, which is what the outside's silence gives.
    assert.equal((await host.run(a.netns, 'curl', '-s', '-m', '1', 'http://172.30.200.200/')).code, 7);
    assert.equal((await host.run(a.netns, 'curl', '-s', '-m', '1', 'http://10.77.0.1/')).code, 28);
  });

  it('turns a UDP client that never pauses to whoever has the port now', async () => {
    const a = await attach('a');
    const b = await attach('b');
    const stop = new AbortController();
    const log = (name: string) => join(host.dir, `${name}.log`);
    const start = (name: string, netns: string, script: string) =>
      host.helper
        .run({ argv: [process.execPath, '-e', script], netns, stdoutFile: log(name), env: {} }, stop.signal)
        .catch(() => undefined);
    const running = [
      start('server-a', a.netns, udpServer('a')),
      start('server-b', b.netns, udpServer('b')),
      // Always from the same port, so that all of it is one connection to the kernel.
      start('client', outside, udpClient(`${OUTSIDE}.1`, 5353)),
    ];
    try {
      await contains(log('server-a'), 'ready');
      await contains(log('server-b'), 'ready');
      await contains(log('client'), 'sent');
      await network.publish('a', [{ protocol: 'udp', publishedPort: 5353, targetPort: 53 }]);
      await contains(log('client'), 'answer from a');
      await network.unpublish('a');
      await network.publish('b', [{ protocol: 'udp', publishedPort: 5353, targetPort: 53 }]);
      await contains(log('client'), 'answer from b');
    } finally {
      stop.abort();
      await Promise.all(running);
    }
  });

  it('restores a flushed or altered table, and leaves the operator chain alone', async () => {
    const a = await attach('a');
    host.serve(a.netns, 80);
    await network.publish('a', [tcp(8080, 80), tcp(8081, 80, '127.0.0.1')]);
    assert.equal(await network.repair(), false, 'what we wrote is what we find');
    for (const damage of [
      'flush ruleset',
      'flush chain inet swarmts forward',
      'delete element inet swarmts published { tcp . 8080 }',
      'add element inet swarmts published { tcp . 22 : 172.30.0.99 . 22 }',
      'delete table inet swarmts\nadd table inet swarmts\nadd chain inet swarmts forward { type nat hook prerouting priority 0; }',
    ]) {
      // By another process, as it would be.
      assert.equal((await host.run(host.netns, 'nft', damage)).code, 0, damage);
      assert.equal(await network.repair(), true, damage);
      assert.equal(await network.repair(), false, damage);
      assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.2`, damage);
    }
    await host.helper.nft(`add rule inet swarmts swarmts-user ip saddr ${OUTSIDE}.2 drop`);
    assert.equal(await network.repair(), false, 'the operator chain is not ours');
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined);
    await host.helper.nft('flush map inet swarmts published');
    assert.equal(await network.repair(), true);
    assert.match(await host.helper.nftList('list chain inet swarmts swarmts-user'), /ip saddr 192\.0\.2\.2 drop/);
  });

  it('gives back what somebody takes away: a leg, its route and settings, the forwarding of the host', async () => {
    const a = await attach('a');
    host.serve(outside, 82);
    const reaches = () => host.fetch(a.netns, `http://${OUTSIDE}.2:82/`);
    for (const damage of [
      ['ip', 'link', 'del', a.hostIface],
      ['ip', 'link', 'set', a.hostIface, 'down'],
      ['ip', 'route', 'del', `${a.address}/32`],
      ['sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
    ]) {
      assert.equal(await reaches(), `${OUTSIDE}.1`);
      assert.equal((await host.run(host.netns, ...damage)).code, 0, damage.join(' '));
      assert.equal(await reaches(), undefined, damage.join(' '));
      await network.repair();
      assert.equal(await network.repair(), false, damage.join(' '));
    }
    assert.equal(await reaches(), `${OUTSIDE}.1`);
    const conf = `net.ipv4.conf.${a.hostIface}`;
    for (const damage of [
      ['sysctl', '-q', '-w', `${conf}.forwarding=0`],
      ['sysctl', '-q', '-w', `${conf}.rp_filter=0`],
      ['sysctl', '-q', '-w', `${conf}.route_localnet=0`],
      ['ip', 'address', 'flush', 'dev', a.hostIface],
      ['ip', 'link', 'set', a.hostIface, 'address', '02:00:00:00:00:99'],
      ['ip', 'link', 'set', a.hostIface, 'mtu', '600'],
    ]) {
      assert.equal((await host.run(host.netns, ...damage)).code, 0, damage.join(' '));
      assert.equal(await network.repair(), true, damage.join(' '));
      assert.equal(await network.repair(), false, damage.join(' '));
      assert.equal(await reaches(), `${OUTSIDE}.1`, damage.join(' '));
    }
  });

  it('leaves a default route over another leg alone, and the table of what is answered here', async () => {
    const a = await attach('a');
    const inside = async (...argv: string[]) => Buffer.from((await host.run(a.netns, ...argv)).stdout).toString();
    await inside('ip', 'link', 'add', 'eth9', 'type', 'bridge');
    await inside('ip', 'link', 'set', 'eth9', 'up');
    await inside('ip', 'route', 'replace', 'default', 'dev', 'eth9');
    await inside('ip', 'rule', 'add', 'priority', '100', 'from', a.address, 'table', '100');
    await host.run(host.netns, 'ip', 'link', 'del', a.hostIface);
    assert.equal(await network.repair(), true);
    assert.match(await inside('ip', 'route', 'show', 'default'), /^default dev eth9/);
    assert.match(await inside('ip', 'route', 'show', 'table', '100'), /^default via 172\.30\.0\.1 dev eth0/);
    await network.detach('a');
    assert.equal(await network.repair(), false, 'nothing is made for a container that is gone');
  });

  it('is taken up by the next daemon without a break', async () => {
    const a = await attach('a');
    host.serve(a.netns, 80);
    await network.publish('a', [tcp(8080, 80)]);
    const state = network.endpoint('a');
    assert.ok(state);
    const next = newNetwork();
    assert.deepEqual(await next.restore([state]), []);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.2`);
    await next.detach('a');
    assert.equal(existsSync(a.netns), false);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined);
  });

  it('withdraws ports that somebody else has flushed', async () => {
    await attach('a');
    await network.publish('a', [tcp(8080, 80)]);
    await host.helper.nft('flush ruleset');
    await network.unpublish('a');
    await network.publish('a', [tcp(8080, 80)]);
    assert.equal(await network.repair(), false);
  });

  it('passes a foreign forward chain that drops, and cleans up after itself', async () => {
    await host.helper.nft(FIREWALL);
    const a = await attach('a');
    host.serve(a.netns, 80);
    host.serve(outside, 82);
    await network.publish('a', [tcp(8080, 80)]);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), undefined, 'the firewall drops');
    assert.equal(await network.repair(), true);
    assert.equal(await network.repair(), false);
    assert.equal(await host.fetch(outside, `http://${OUTSIDE}.1:8080/`), `${OUTSIDE}.2`);
    assert.equal(await host.fetch(a.netns, `http://${OUTSIDE}.2:82/`), `${OUTSIDE}.1`);
    assert.doesNotMatch(await host.helper.nftList('list chain inet firewall other'), /swarmts/);
    assert.match(await host.helper.nftList('list chain ip6 filter FORWARD'), /oifname "swl\*" accept comment/);
    await network.teardown();
    const ruleset = await host.helper.nftList('list ruleset');
    assert.match(ruleset, /table ip filter/);
    assert.doesNotMatch(ruleset, /swarmts|swl/);
    assert.equal(existsSync(a.netns), false);
  });

  it('completes what a crash left behind', async () => {
    // An empty file instead of a namespace.
    const empty = host.path('empty');
    writeFileSync(empty, '');
    await network.attach('empty', { netns: empty });
    assert.ok(isNamespaceFile(empty));
    assert.ok(await host.ping(empty, network.gateway));

    // A namespace without any interface.
    const bare = host.path('bare');
    await host.helper.createNetns(bare);
    await network.attach('bare', { netns: bare });
    assert.ok(await host.ping(bare, network.gateway));

    // A leg that is up in the container, while the host's end has neither address nor route.
    const half = await attach('half');
    await host.run(host.netns, 'ip', 'addr', 'flush', 'dev', half.hostIface);
    await host.run(host.netns, 'ip', 'link', 'set', half.hostIface, 'down');
    assert.equal(await host.ping(half.netns, network.gateway), false);
    await attach('half');
    assert.ok(await host.ping(half.netns, network.gateway));

    // A namespace whose leg was deleted.
    withNetns(half.netns, () => {
      const socket = new NetlinkSocket();
      socket.request(deleteLink({ name: 'eth0' }));
      socket.close();
    });
    await attach('half');
    assert.ok(await host.ping(half.netns, network.gateway));

    // Another container's leftover under the name of the leg.
    await host.run(host.netns, 'ip', 'link', 'add', 'swlfeedfeedfeed', 'type', 'bridge');
    const taken = await attach('feedfeedfeedfeed');
    assert.ok(await host.ping(taken.netns, network.gateway));
  });

  it('attaches again under the same name right after a detach', async () => {
    for (let i = 0; i < 5; i++) {
      const a = await attach('a');
      assert.ok(await host.ping(a.netns, network.gateway));
      await network.detach('a');
    }
  });

  it('gives the "none" driver a namespace with a loopback and nothing else', async () => {
    const driver = noneNetwork(host.helper);
    const path = host.path('none');
    await driver.attach(path, { 'net.ipv4.ip_unprivileged_port_start': '0' });
    await driver.attach(path);
    assert.ok(await host.ping(path, '127.0.0.1'));
    const links = Buffer.from((await host.run(path, 'ip', '-o', 'link')).stdout).toString();
    assert.equal(links.trim().split('\n').length, 1);
    await driver.detach(path);
    assert.equal(existsSync(path), false);
  });
});

function udpServer(name: string): string {
  return `const s = require('dgram').createSocket('udp4');
    s.on('message', (m, from) => s.send('${name}', from.port, from.address));
    s.bind(53, () => console.log('ready'));`;
}

function udpClient(address: string, port: number): string {
  return `const s = require('dgram').createSocket('udp4');
    s.on('message', (m) => console.log('answer from ' + m));
    s.on('error', () => {});
    s.bind(7777, () => setInterval(() => s.send('x', ${port}, '${address}', () => console.log('sent')), 10));`;
}

function contains(file: string, text: string): Promise<void> {
  return eventually(`${text} in ${file}`, () => existsSync(file) && readFileSync(file, 'utf8').includes(text));
}
