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
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.1' })] }),
});

const STATE = NetworkState.create({
  networkId: 'net1',
  complete: true,
  network: INGRESS,
  endpoints: [
    NetworkEndpoint.create({ taskId: 't-b', nodeId: 'b', serviceId: 'svc', addresses: ['10.9.0.6'], ready: true }),
  ],
  services: [
    NetworkService.create({ serviceId: 'svc', ports: [PortConfig.create({ targetPort: 80, publishedPort: 8000 })] }),
  ],
  peers: [
    NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 }),
    NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3 }),
  ],
});

describe('the mesh over two hosts', function () {
  this.timeout(120_000);
  let sides: TwoHosts;

  beforeEach(async () => {
    sides = await startTwoHosts(INGRESS, STATE, { a: '10.9.0.5', b: '10.9.0.6' });
  });
  afterEach(() => sides.close());

  it('comes back when devices, addresses, routes, rules or settings are lost', async () => {
    const { a, b } = sides;
    const client = a.host.joinOutside('client', '198.51.100');
    b.host.serve(b.container, 80);
    const ask = () => a.host.fetch(client, 'http://198.51.100.1:8000/');
    assert.equal(await ask(), '198.51.100.2');
    const [routerA, routerB] = [a, b].map(({ host }) => join(host.dir, 'routers', 'net1'));
    const damages: readonly (readonly [string | undefined, ...string[]])[] = [
      [a.host.netns, 'ip', 'addr', 'flush', 'dev', 'swlmesh0'],
      [a.host.netns, 'ip', 'link', 'set', 'swlmesh0', 'down'],
      [a.host.netns, 'ip', 'link', 'del', 'swlmesh0'],
      [a.host.netns, 'ip', 'route', 'del', '10.9.0.0/24'],
      [a.host.netns, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
      [a.host.netns, 'nft', 'flush', 'ruleset'],
      [routerA, 'ip', 'link', 'del', 'vx0'],
      [routerA, 'ip', 'link', 'set', 'up0', 'down'],
      [routerB, 'ip', 'link', 'del', 'vx0'],
      [routerB, 'nft', 'flush', 'ruleset'],
      [routerB, 'ip', 'rule', 'del', 'priority', '1000'],
      [routerB, 'ip', 'route', 'flush', 'table', '100'],
      [routerA, 'ip', 'rule', 'flush'],
      [routerB, 'ip', 'rule', 'add', 'priority', '5', 'prohibit'],
    ];
    for (const [where = '', ...damage] of damages) {
      assert.equal((await a.host.run(where, ...damage)).code, 0, damage.join(' '));
      assert.equal(await ask(), undefined, `without ${damage.join(' ')}`);
      await a.networks.repair();
      await b.networks.repair();
      assert.equal(await ask(), '198.51.100.2', damage.join(' '));
    }
  });
});
