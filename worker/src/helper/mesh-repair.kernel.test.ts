/** The routing mesh over two hosts, and what is there again of it after somebody has taken it away. Needs root. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  Driver,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NetworkSpec,
  NetworkState,
  PortConfig,
} from '@swarmts/proto';
import { startTwoHosts, type TwoHosts } from './test-two-hosts.js';

const INGRESS = Network.create({
  id: 'net1',
  spec: NetworkSpec.create({ annotations: { name: 'ingress', labels: {} }, ingress: true }),
  driverState: Driver.create({ options: { 'com.docker.network.driver.overlay.vxlanid_list': '4100' } }),
  ipam: IpamOptions.create({
    configs: [
      IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.1' }),
      IpamConfig.create({ subnet: 'fd00:9::/64', gateway: 'fd00:9::1' }),
    ],
  }),
});

const STATE = NetworkState.create({
  networkId: 'net1',
  complete: true,
  network: INGRESS,
  endpoints: [
    NetworkEndpoint.create({
      taskId: 't-b',
      nodeId: 'b',
      serviceId: 'svc',
      addresses: ['10.9.0.6', 'fd00:9::6'],
      ready: true,
    }),
  ],
  services: [
    NetworkService.create({ serviceId: 'svc', ports: [PortConfig.create({ targetPort: 80, publishedPort: 8000 })] }),
  ],
  peers: [
    NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 }),
    NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3 }),
  ],
});

/** Far longer than an answer takes. */
const BROKEN_S = 0.25;

describe('the mesh over two hosts', function () {
  this.timeout(120_000);
  let sides: TwoHosts;

  beforeEach(async () => {
    sides = await startTwoHosts(INGRESS, STATE, { a: '10.9.0.5', b: '10.9.0.6' }, { a: 'fd00:9::5', b: 'fd00:9::6' });
  });
  afterEach(() => sides.close());

  it('comes back when devices, addresses, routes, rules or settings are lost', async () => {
    const { a, b } = sides;
    const client = a.host.joinOutside('client', '198.51.100');
    b.host.serve(b.container, 80);
    await a.host.run(a.host.netns, 'ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'to-client', 'nodad');
    await a.host.run(client, 'ip', 'addr', 'add', '2001:db8::2/64', 'dev', 'eth0', 'nodad');
    const ask = (timeoutS?: number) => a.host.fetch(client, 'http://198.51.100.1:8000/', timeoutS);
    const askOverIpv6 = (timeoutS?: number) => a.host.fetch(client, 'http://[2001:db8::1]:8000/', timeoutS);
    assert.deepEqual([await ask(), await askOverIpv6()], ['198.51.100.2', '2001:db8::2']);
    const [routerA, routerB] = [a, b].map(({ host }) => join(host.dir, 'routers', 'net1'));
    type Damage = readonly [string | undefined, ...string[]];
    const damages: readonly Damage[] = [
      [a.host.netns, 'ip', 'addr', 'flush', 'dev', 'swlmesh0'],
      [a.host.netns, 'ip', 'link', 'set', 'swlmesh0', 'down'],
      [a.host.netns, 'ip', 'link', 'del', 'swlmesh0'],
      [a.host.netns, 'ip', 'route', 'del', '10.9.0.0/24'],
      [a.host.netns, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
      [a.host.netns, 'nft', 'flush', 'ruleset'],
      [routerA, 'ip', 'link', 'del', 'vx0'],
      [routerA, 'ip', 'link', 'set', 'up0', 'down'],
      [routerA, 'ip', 'route', 'flush', 'table', 'main'],
      [routerB, 'ip', 'link', 'del', 'vx0'],
      [routerB, 'nft', 'flush', 'ruleset'],
      [routerB, 'ip', 'rule', 'del', 'priority', '1000'],
      [routerB, 'ip', 'route', 'flush', 'table', '100'],
      [routerA, 'ip', 'rule', 'flush'],
      [routerB, 'ip', 'rule', 'add', 'priority', '5', 'prohibit'],
    ];
    const ipv6Damages: readonly Damage[] = [
      [a.host.netns, 'ip', '-6', 'addr', 'flush', 'dev', 'swlmesh0'],
      [a.host.netns, 'sysctl', '-q', '-w', 'net.ipv6.conf.all.forwarding=0'],
      [routerA, 'sysctl', '-q', '-w', 'net.ipv6.conf.all.forwarding=0'],
      [routerA, 'ip', '-6', 'rule', 'flush'],
      [routerA, 'ip', '-6', 'route', 'flush', 'table', 'main'],
      [routerB, 'ip', '-6', 'route', 'flush', 'table', '100'],
    ];
    const mends = async ([where = '', ...damage]: Damage, request: typeof ask, client: string) => {
      assert.equal((await a.host.run(where, ...damage)).code, 0, damage.join(' '));
      assert.equal(await request(BROKEN_S), undefined, `without ${damage.join(' ')}`);
      await a.networks.repair();
      await b.networks.repair();
      assert.equal(await request(), client, damage.join(' '));
      const before = [await uplink(), await routes()];
      await a.networks.repair();
      assert.deepEqual([await uplink(), await routes()], before, `once more after ${damage.join(' ')}`);
      assert.match(await routes(), /^default via \S+ dev up0/m, damage.join(' '));
    };
    const textOf = async (netns: string, ...argv: string[]) =>
      Buffer.from((await a.host.run(netns, ...argv)).stdout).toString();
    const uplink = () => textOf(routerA ?? '', 'ip', '-o', 'link', 'show', 'up0');
    const routes = () => textOf(routerA ?? '', 'ip', 'route');
    for (const damage of damages) await mends(damage, ask, '198.51.100.2');
    for (const damage of ipv6Damages) await mends(damage, askOverIpv6, '2001:db8::2');
  });

  it('carries IPv4 where the host has turned IPv6 off, and IPv6 as well once it is on', async () => {
    const { a, b } = sides;
    b.host.serve(b.container, 80);
    const client = a.host.joinOutside('client', '198.51.100');
    const ask = () => a.host.fetch(client, 'http://198.51.100.1:8000/');
    const turn = (off: 0 | 1) =>
      a.host.run(
        a.host.netns,
        'sysctl',
        '-q',
        '-w',
        `net.ipv6.conf.all.disable_ipv6=${off}`,
        `net.ipv6.conf.default.disable_ipv6=${off}`,
      );
    await turn(1);
    await a.host.run(a.host.netns, 'ip', 'link', 'del', 'swlmesh0');
    await a.networks.repair();
    assert.equal(await ask(), '198.51.100.2');
    await turn(0);
    await a.networks.repair();
    await a.host.run(a.host.netns, 'ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'to-client', 'nodad');
    await a.host.run(client, 'ip', 'addr', 'add', '2001:db8::2/64', 'dev', 'eth0', 'nodad');
    assert.equal(await a.host.fetch(client, 'http://[2001:db8::1]:8000/'), '2001:db8::2');
  });
});
