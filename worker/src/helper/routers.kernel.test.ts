/** Routers of networks in the kernel: two hosts with a wire between them, and containers on a network over both. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { RoutedNetworks } from '@swarmts/netplugins';
import {
  Driver,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkAttachment,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NetworkSpec,
  NetworkState,
} from '@swarmts/proto';
import { type Side, startTwoHosts, type TwoHosts, tell } from './test-two-hosts.js';

const GATEWAY = '10.9.0.1';
const NETWORK = Network.create({
  id: 'net1',
  spec: NetworkSpec.create({ annotations: { name: 'back', labels: {} } }),
  driverState: Driver.create({ options: { 'com.docker.network.driver.overlay.vxlanid_list': '4100' } }),
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: GATEWAY })] }),
});
const VIP = '10.9.0.100';
/** Named as legs are. */
const STRAY = 'l0123456789abc';

describe('networks over two hosts', () => {
  let sides: TwoHosts;

  beforeEach(async () => {
    sides = await startTwoHosts(NETWORK, state(), { a: '10.9.0.5', b: '10.9.0.6' });
  });

  afterEach(async () => {
    await sides.close();
  });

  it('reach each other, with a peer’s routes and without anything to learn', async () => {
    const { a, b } = sides;
    assert.ok(await a.host.ping(a.container, b.address));
    assert.ok(await b.host.ping(b.container, a.address));
    const routes = await a.host.run(join(a.host.dir, 'routers', 'net1'), 'ip', 'route');
    assert.match(Buffer.from(routes.stdout).toString(), /10\.9\.0\.6 via 169\.254\.0\.3 dev vx0/);
  });

  it('reach a service by its virtual address, and are told at once when it has no task', async () => {
    const { a, b } = sides;
    b.host.serve(b.container, 80);
    assert.equal(await a.host.fetch(a.container, `http://${VIP}/`), a.address);
    tell(a, state({ ready: false }));
    await a.networks.settled();
    const refused = await a.host.run(a.container, 'curl', '-s', '-m', '3', `http://${VIP}/`);
    assert.equal(refused.code, 7, 'refused, not timed out');
  });

  it('come back when routes, rules, devices or the whole namespace are lost', async () => {
    const { a, b } = sides;
    const router = join(a.host.dir, 'routers', 'net1');
    const damages: readonly (readonly string[])[] = [
      ['ip', 'route', 'flush', 'table', 'main'],
      ['ip', 'link', 'del', 'vx0'],
      ['nft', 'flush', 'ruleset'],
      ['ip', 'neigh', 'flush', 'dev', 'vx0', 'nud', 'permanent'],
      ['sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
      ['sysctl', '-q', '-w', 'net.ipv4.conf.vx0.forwarding=0'],
      ['sysctl', '-q', '-w', 'net.ipv4.conf.vx0.rp_filter=1'],
      ['sysctl', '-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1'],
      ['ip', 'link', 'set', 'lo', 'down'],
      ['ip', 'link', 'add', STRAY, 'type', 'bridge'],
      ['ip', 'address', 'flush', 'dev', 'lo'],
    ];
    b.host.serve(b.container, 80);
    const before = await settingsIn(a, router);
    for (const damage of damages) {
      assert.equal((await a.host.run(router, ...damage)).code, 0, damage.join(' '));
      await a.networks.repair();
      assert.equal(await a.host.fetch(a.container, `http://${VIP}/`), a.address, damage.join(' '));
      assert.ok(await a.host.ping(a.container, GATEWAY), damage.join(' '));
      assert.deepEqual(await settingsIn(a, router), before, damage.join(' '));
    }
    assert.notEqual((await a.host.run(router, 'ip', 'link', 'show', STRAY)).code, 0);
    await a.host.helper.removeRouter(router);
    await a.networks.repair();
    assert.ok(await a.host.ping(a.container, b.address));
  });

  it('take a further container also where somebody has just removed the router, or its rules', async () => {
    const { a } = sides;
    const router = join(a.host.dir, 'routers', 'net1');
    const further = async (n: number) => {
      const netns = a.host.path(`further${n}`);
      await a.host.helper.createNetns(netns);
      const attachment = NetworkAttachment.create({ network: NETWORK, addresses: [`10.9.0.${20 + n}/24`] });
      await a.networks.attach({
        containerId: `further-${n}`,
        containerNetns: netns,
        endpointId: `f-${n}`,
        attachment,
        iface: 'eth0',
      });
      return netns;
    };
    assert.ok(await a.host.ping(await further(1), a.address));
    await a.host.helper.removeRouter(router);
    assert.ok(await a.host.ping(await further(2), a.address));
    assert.equal((await a.host.run(router, 'nft', 'flush', 'ruleset')).code, 0);
    await further(3);
    const rules = await a.host.run(router, 'nft', 'list', 'ruleset');
    assert.match(Buffer.from(rules.stdout).toString(), /chain sources/);
  });

  it('do nothing when nothing has changed', async () => {
    const { a } = sides;
    const list = async () =>
      Buffer.from((await a.host.run(join(a.host.dir, 'routers', 'net1'), 'ip', '-d', 'link')).stdout).toString();
    const before = await list();
    await a.networks.repair();
    assert.equal(await list(), before);
  });

  it('go on after the daemon has forgotten everything but its containers', async () => {
    const { a, b } = sides;
    const known = a.networks.attachments();
    const again = new RoutedNetworks({ executor: a.host.helper, dir: join(a.host.dir, 'routers') });
    again.setNode('a');
    await again.restore(known);
    again.apply({ complete: true, networks: a.networks.states(), removedNetworkIds: [], dataPathPort: 4789 });
    await again.settled();
    assert.ok(await a.host.ping(a.container, b.address));
  });

  it('work with packets that are too small for IPv6', async () => {
    const { a } = sides;
    const driverState = { name: 'bridge', options: { 'com.docker.network.driver.mtu': '1000' } };
    const network = { ...NETWORK, id: 'small', driverState };
    const netns = a.host.path('small');
    await a.host.helper.createNetns(netns);
    const made = await a.networks.attach({
      containerId: 'small',
      containerNetns: netns,
      endpointId: 'small',
      attachment: NetworkAttachment.create({ network, addresses: ['10.9.0.7/24'] }),
      iface: 'eth0',
    });
    assert.ok(await a.host.ping(netns, GATEWAY));
    await a.networks.repair();
    assert.ok(await a.host.ping(netns, GATEWAY));
    await a.host.helper.detachLocal(netns);
    a.networks.detach(made);
    await a.networks.settled();
  });

  it('leave nothing when the last container is gone', async () => {
    const { a } = sides;
    const [attachment] = a.networks.attachments();
    assert.ok(attachment);
    await a.host.helper.detachLocal(a.container);
    a.networks.detach(attachment);
    await a.networks.settled();
    const gone = await a.host.run(a.host.netns, 'ls', join(a.host.dir, 'routers'));
    assert.equal(Buffer.from(gone.stdout).toString().trim(), '');
  });
});

function state(more: { readonly ready?: boolean } = {}): NetworkState {
  const ready = more.ready ?? true;
  const endpoint = (node: string, serviceId: string, address: string) =>
    NetworkEndpoint.create({ taskId: `t-${node}`, nodeId: node, serviceId, name: node, addresses: [address], ready });
  return NetworkState.create({
    networkId: 'net1',
    complete: true,
    network: NETWORK,
    endpoints: [endpoint('a', '', '10.9.0.5'), endpoint('b', 'svc', '10.9.0.6')],
    services: [NetworkService.create({ serviceId: 'svc', name: 'web', virtualIps: [VIP] })],
    peers: [
      NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 }),
      NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3 }),
    ],
  });
}

/** What a router forwards by, of each of its devices. */
async function settingsIn({ host }: Side, router: string): Promise<string> {
  const names = ['ipv4.conf.vx0.forwarding', 'ipv4.conf.vx0.rp_filter', 'ipv6.conf.all.disable_ipv6'];
  const read = await host.run(router, 'sysctl', ...names.map((n) => `net.${n}`));
  return Buffer.from(read.stdout).toString();
}
