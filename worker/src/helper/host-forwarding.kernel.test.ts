/** The host forwards while somebody needs it, and is left as it was. Needs root. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LocalNetwork, RoutedNetworks } from '@swarmts/netplugins';
import {
  Driver,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkPeer,
  NetworkService,
  NetworkSpec,
  NetworkState,
  PortConfig,
} from '@swarmts/proto';
import { startTestHost, type TestHost } from './test-host.js';

const INGRESS = Network.create({
  id: 'net1',
  spec: NetworkSpec.create({ annotations: { name: 'ingress', labels: {} }, ingress: true }),
  driverState: Driver.create({ options: { 'com.docker.network.driver.overlay.vxlanid_list': '4100' } }),
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.1' })] }),
});

function state(publishedPorts: readonly number[]): NetworkState {
  const ports = publishedPorts.map((publishedPort) => PortConfig.create({ targetPort: 80, publishedPort }));
  return NetworkState.create({
    networkId: 'net1',
    complete: true,
    network: INGRESS,
    services: [NetworkService.create({ serviceId: 'svc', name: 'web', ports })],
    peers: [NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 })],
  });
}

describe('the forwarding of the host', function () {
  this.timeout(60_000);
  let host: TestHost;

  beforeEach(async () => {
    host = await startTestHost();
    assert.equal((await host.run(host.netns, 'ip', 'link', 'add', 'own0', 'type', 'bridge')).code, 0);
    await host.helper.setSysctls(BEFORE);
    assert.deepEqual(await settings(), Object.values(BEFORE));
  });
  afterEach(() => host.close());

  /** In the order in which they have to be written: the switch writes others. */
  const BEFORE = {
    'net.ipv4.ip_forward': '0',
    'net.ipv4.conf.all.accept_redirects': '0',
    'net.ipv4.conf.own0.forwarding': '1',
    'net.ipv6.conf.all.forwarding': '0',
    'net.ipv6.conf.own0.accept_ra': '1',
  };

  const settings = async () => {
    const files = Object.keys(BEFORE).map((name) => `/proc/sys/${name.replaceAll('.', '/')}`);
    return Buffer.from((await host.run(host.netns, 'cat', ...files)).stdout)
      .toString()
      .trim()
      .split('\n');
  };
  const routes = async () => Buffer.from((await host.run(host.netns, 'ip', 'route')).stdout).toString();

  it('is on from the first container on, and off with all that belongs to it when nobody needs it', async () => {
    const network = new LocalNetwork(host.helper, { probe: () => Promise.resolve(true) });
    await network.restore([]);
    assert.equal((await settings())[0], '0', 'nobody needs it yet');
    for (const id of ['a', 'b']) await network.attach(id, { netns: host.path(id) });
    assert.equal((await settings())[0], '1');
    // Another helper knows it as well.
    process.kill(host.helper.pid, 'SIGKILL');
    for (const id of ['a', 'b']) await eventuallyDetached(network, id);
    await host.helper.restoreForwarding();
    assert.deepEqual(await settings(), Object.values(BEFORE));
    assert.equal(existsSync(join(host.dir, 'forwarding.json')), false);
    await host.helper.restoreForwarding();
    assert.deepEqual(await settings(), Object.values(BEFORE));
  });

  it('is on, with a route to the ingress network, while a port is published there', async () => {
    const networks = new RoutedNetworks({
      executor: host.helper,
      dir: join(host.dir, 'routers'),
      onLeave: () => host.helper.restoreForwarding(),
    });
    networks.setNode('a');
    const tell = async (ports: readonly number[]) => {
      networks.apply({ complete: true, networks: [state(ports)], removedNetworkIds: [], dataPathPort: 4789 });
      await networks.settled();
    };
    await tell([]);
    assert.deepEqual([await settings(), networks.usesHost], [Object.values(BEFORE), false]);
    assert.doesNotMatch(await routes(), /10\.9\.0\.0/);
    await tell([8080]);
    assert.deepEqual([(await settings())[0], networks.usesHost], ['1', true]);
    assert.match(await routes(), /10\.9\.0\.0\/24 via \S+ dev swlmesh0/);
    await tell([]);
    assert.doesNotMatch(await routes(), /10\.9\.0\.0/);
    await tell([8080]);
    await networks.leave();
    assert.deepEqual([await settings(), networks.usesHost], [Object.values(BEFORE), false]);
    assert.doesNotMatch(await routes(), /10\.9\.0\.0/);
  });
});

async function eventuallyDetached(network: LocalNetwork, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await network.detach(id);
      return;
    } catch (e) {
      // The call that met the dead helper fails; the next one starts another.
      if (attempt === 20) throw e;
    }
  }
}
