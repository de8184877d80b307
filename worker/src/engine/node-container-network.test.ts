/** What is left of a container's networks when one step of joining one more fails. */
import assert from 'node:assert/strict';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import type {
  DnsContainer,
  LegWish,
  LocalEndpoint,
  LocalNetwork,
  RoutedAttachment,
  RoutedNetworks,
} from '@swarmts/netplugins';
import { builtinNetworks, ENDPOINT_SYSCTLS, Network, NetworkAttachment, NetworkSpec } from '@swarmts/proto';
import type { NetworkWish } from './container-config.js';
import type { AttachRequest } from './container-network.js';
import { NodeContainerNetwork } from './node-container-network.js';

const REQUEST: AttachRequest = { netnsPath: '/n/c', ports: [], name: 'box', hostname: 'inside' };
const PLAIN = {
  address: '172.30.0.2',
  prefixLength: 16,
  gateway: '172.30.0.1',
  mac: '',
  ports: [],
  details: { containerIface: 'eth0' },
};

function atEth0(): LocalEndpoint {
  const { address, prefixLength, gateway } = PLAIN;
  const leg = { hostIface: 'swl0', containerIface: 'eth0', mac: '02:42:ac:1e:00:02' };
  return { containerId: 'c', netns: '/n/c', ...leg, address, prefixLength, gateway, mtu: 1500, ports: [] };
}

function setUp() {
  const calls: string[] = [];
  /** Names that are asked for. */
  const asked: (readonly string[])[] = [];
  let fails = '';
  let internal = false;
  /** By what name others find the container, as the managers say. */
  let told = 'box';
  const step = (name: string) => {
    calls.push(name);
    if (fails !== '' && name.startsWith(fails)) throw new Error(`${name} failed`);
  };
  const routed = {
    async attach(...[o, beside]: Parameters<RoutedNetworks['attach']>): Promise<RoutedAttachment> {
      step(`join ${o.iface}`);
      const network = o.attachment.network ?? assert.fail();
      const leg = { iface: o.iface, addresses: [], mac: '' } as unknown as RoutedAttachment['leg'];
      const made = { networkId: network.id, networkName: 'back', endpointId: 'e1', network, leg, aliases: [] };
      await beside?.(made);
      return made;
    },
    view: () => ({ endpoints: new Map([['e1', { name: told }]]) }),
    disconnect: async () => step('disconnect'),
    takeBack: async () => step('takeBack'),
    detach: () => step('detach'),
  };
  let endpoint: LocalEndpoint | undefined = atEth0();
  const placed = (leg: LegWish): LocalEndpoint => ({
    ...atEth0(),
    containerIface: leg.gatewayOnly ? 'gw' : (leg.iface ?? 'eth0'),
    ...(leg.mac ? { mac: leg.mac } : {}),
  });
  const local = {
    endpoint: () => endpoint,
    async attach(_id: string, o: LegWish, beside?: (e: LocalEndpoint) => Promise<void>) {
      step(`attach ${placed(o).containerIface}`);
      endpoint = placed(o);
      await beside?.(endpoint);
      return endpoint;
    },
    async move(_id: string, o: LegWish, beside: (e: LocalEndpoint) => Promise<void>) {
      step(`move to ${placed(o).containerIface}`);
      await beside({ ...placed(o), replaces: endpoint?.containerIface ?? '' });
      endpoint = placed(o);
      return endpoint;
    },
    detach: async () => step('detach local'),
    discard: async () => step('discard'),
    async leave() {
      step('leave');
      endpoint = undefined;
    },
    publish: async () => step('publish'),
  };
  const network = new NodeContainerNetwork({
    // Only what joining asks for.
    local: local as unknown as LocalNetwork,
    routed: routed as unknown as RoutedNetworks,
    helper: {
      createNetns: async () => step('createNetns'),
      detachLocal: async () => step('detachLocal'),
      setSysctls: async (values, netns) => step(`set ${Object.keys(values).join()} in ${netns}`),
    },
    source: {
      async obtain(wish) {
        step('obtain');
        asked.push(wish.aliases);
        const spec = NetworkSpec.create({ internal });
        return {
          endpointId: 'e1',
          attachment: NetworkAttachment.create({ network: Network.create({ id: 'net1', spec }) }),
        };
      },
      async place(network, wish) {
        step(`place on ${network.id}`);
        asked.push(wish.aliases);
        return { endpointId: 'net2.c', attachment: NetworkAttachment.create({ network }) };
      },
      giveBack: async (id: string) => step(`giveBack ${id}`),
      async rename(id: string, name: string) {
        step(`rename ${id} to ${name}`);
        told = name;
      },
    },
    names: {
      put: async (c: DnsContainer) => step(`names ${c.networkIds.join()}`),
      remove: (id: string) => step(`forget ${id}`),
    },
    logger: silentLogger,
  });
  const planned: (string | undefined)[] = [];
  const note = async (p: { readonly networks?: readonly { readonly id: string }[] }) => {
    planned.push(p.networks?.map((n) => n.id.slice(0, 4)).join());
  };
  const connect = (target: string, request: AttachRequest = REQUEST, wish: Partial<NetworkWish> = {}) =>
    network.connect('c', PLAIN, request, { target, aliases: ['db'], addresses: [], ...wish }, note);
  const disconnect = (id: string, request: AttachRequest = REQUEST) =>
    network.disconnect('c', PLAIN, request, id, note);
  return {
    calls,
    asked,
    planned,
    connect,
    disconnect,
    network,
    fail: (name: string) => (fails = name),
    isolate: () => (internal = true),
  };
}

describe('a container that joins a further network', () => {
  it('is attached and named at the same time', async () => {
    const { calls, asked, planned, connect } = setUp();
    const joined = await connect('back');
    assert.deepEqual(asked, [['db', 'c', 'inside']]);
    assert.deepEqual(planned, ['b100,net1']);
    assert.deepEqual([joined.networks?.map((n) => n.name), joined.nameserver], [['bridge', 'back'], '127.0.0.11']);
    assert.deepEqual(calls, ['obtain', 'join eth1', 'names net1']);
  });

  it('is off it again when it got no name', async () => {
    const { calls, connect, fail } = setUp();
    fail('names');
    await assert.rejects(connect('back'), /names net1 failed/);
    assert.deepEqual(calls.slice(3), ['takeBack', 'forget c', 'giveBack e1']);
  });

  it('has settings of its own for the interface there, or is off it again', async () => {
    const driverOptions = { [ENDPOINT_SYSCTLS]: 'net.ipv4.conf.IFNAME.log_martians=1' };
    const { calls, connect } = setUp();
    await connect('back', REQUEST, { driverOptions });
    assert.ok(calls.includes('set net.ipv4.conf.eth1.log_martians in /n/c'), calls.join());
    const other = setUp();
    other.fail('set');
    await assert.rejects(other.connect('back', REQUEST, { driverOptions }), /log_martians in \/n\/c failed/);
    assert.deepEqual(other.calls.slice(-3), ['takeBack', 'forget c', 'giveBack e1']);
  });

  it('has them on the node’s own network as well', async () => {
    const driverOptions = { [ENDPOINT_SYSCTLS]: 'net.ipv4.conf.IFNAME.log_martians=1' };
    const { network, calls, fail, connect, disconnect } = setUp();
    const bridge = { target: 'bridge', aliases: [], addresses: [], driverOptions };
    const request = { ...REQUEST, networks: [bridge] };
    await network.attach('c', request);
    assert.deepEqual(calls, ['attach eth0', 'set net.ipv4.conf.eth0.log_martians in /n/c']);
    await connect('back');
    await disconnect(builtinNetworks.bridge.id);
    fail('set');
    await assert.rejects(connect('bridge', REQUEST, { driverOptions }), /failed/);
    assert.deepEqual(calls.slice(-4), [
      'move to eth0',
      'set net.ipv4.conf.eth0.log_martians in /n/c',
      'move to gw',
      'names net1',
    ]);
  });

  it('gives its address back when it was not attached', async () => {
    const { calls, connect, fail } = setUp();
    fail('join');
    await assert.rejects(connect('back'), /join eth1 failed/);
    assert.deepEqual(calls.slice(3), ['forget c', 'giveBack e1']);
  });

  it('keeps its address when it is on the network already, by whatever name', async () => {
    const { calls, connect } = setUp();
    await connect('back');
    for (const target of ['back', 'net1', 'net']) {
      await assert.rejects(connect(target), (e) => isSwarmtsError(e, 'conflict') && /already/.test(e.message));
    }
    assert.deepEqual(
      calls.filter((c) => /giveBack|disconnect|forget/.test(c)),
      [],
    );
  });
});

describe('a container with another name', () => {
  it('is found by it where the managers gave it its address, also when they could not be told at once', async () => {
    const { calls, connect, network, fail } = setUp();
    const joined = await connect('back');
    await network.mendNames();
    assert.ok(!calls.some((c) => c.startsWith('rename')), calls.join());
    fail('rename');
    await network.rename('c', joined, 'crate');
    await assert.rejects(network.mendNames(), /rename e1 to crate failed/);
    fail('nothing');
    calls.length = 0;
    await network.mendNames();
    await network.mendNames();
    assert.deepEqual(calls, ['rename e1 to crate']);
    await network.rename('c', joined, 'chest');
    assert.deepEqual(calls.slice(1), ['rename e1 to chest']);
  });
});

describe('a container and the node’s own network', () => {
  const BRIDGE = builtinNetworks.bridge;
  const names = (a: { readonly networks?: readonly { readonly name: string }[] }) => a.networks?.map((n) => n.name);

  it('leaves it, and gets out through it all the same', async () => {
    const { calls, planned, connect, disconnect } = setUp();
    await connect('back');
    const left = await disconnect(BRIDGE.id);
    assert.deepEqual([names(left), left.address], [['back'], '']);
    assert.deepEqual(calls.slice(3), ['move to gw', 'names net1']);
    assert.deepEqual(planned.at(-1), 'net1');
    await assert.rejects(disconnect(BRIDGE.id), (e) => isSwarmtsError(e, 'not-found'));
  });

  it('joins it with a MAC of its own, under a name that is free, and once', async () => {
    const { calls, planned, connect, disconnect } = setUp();
    await connect('back');
    await disconnect(BRIDGE.id);
    const joined = await connect('bridge');
    assert.deepEqual(names(joined), ['bridge', 'back']);
    assert.deepEqual([calls.at(-2), planned.at(-1)], ['move to eth0', 'b100,net1']);
    for (const target of ['bridge', BRIDGE.id])
      await assert.rejects(connect(target), (e) => isSwarmtsError(e, 'conflict') && /already/.test(e.message));
  });

  it('has no way out when it was on no other', async () => {
    const { calls, connect, disconnect } = setUp();
    const ports = [{ protocol: 'tcp' as const, targetPort: 1, publishedPort: 2 }];
    const left = await disconnect(BRIDGE.id, { ...REQUEST, ports });
    assert.deepEqual([names(left), left.address, left.nameserver], [[], '', '127.0.0.11']);
    assert.deepEqual(calls, ['leave', 'names ']);
    assert.deepEqual(names(await connect('bridge', { ...REQUEST, ports })), ['bridge']);
    assert.deepEqual(calls.slice(2), ['attach eth0', 'publish', 'names ']);
  });

  it('has no way out when its networks are internal, and gets one with the first that is not', async () => {
    const closed = setUp();
    closed.isolate();
    await closed.connect('back');
    await closed.disconnect(BRIDGE.id);
    assert.deepEqual(closed.calls.slice(3), ['leave', 'names net1']);
    const open = setUp();
    await open.disconnect(BRIDGE.id);
    await open.connect('back');
    assert.deepEqual(open.calls.slice(2), ['obtain', 'join eth0', 'names net1', 'attach gw']);
    await open.disconnect('net1');
    assert.deepEqual(open.calls.slice(6), ['disconnect', 'giveBack e1', 'names ', 'leave']);
  });

  it('has none for its ports when its networks are internal', async () => {
    const { calls, isolate, network } = setUp();
    isolate();
    const ports = [{ protocol: 'tcp' as const, targetPort: 1, publishedPort: 2 }];
    const networks = [{ target: 'back', aliases: [], addresses: [] }];
    const made = await network.attach('c', { ...REQUEST, networks, ports });
    assert.deepEqual([made.ports, calls], [[], ['obtain', 'createNetns', 'join eth0', 'names net1']]);
  });

  it('is not on it where its ports cannot be published', async () => {
    const { calls, connect, disconnect, fail } = setUp();
    await disconnect(BRIDGE.id);
    fail('publish');
    const ports = [{ protocol: 'tcp' as const, targetPort: 1, publishedPort: 2 }];
    await assert.rejects(connect('bridge', { ...REQUEST, ports }), /publish failed/);
    assert.deepEqual(calls.slice(2), ['attach eth0', 'publish', 'discard']);
  });

  it('is taken down by the next attempt where a start and its undoing failed', async () => {
    const { calls, fail, network } = setUp();
    const networks = [{ target: 'back', aliases: [], addresses: [] }];
    fail('det');
    const steps = () => calls.filter((c) => /^(detach|giveBack)/.test(c));
    await network.attach('c', { ...REQUEST, networks });
    await assert.rejects(network.detach('c'), /detach/);
    assert.ok(!calls.includes('giveBack e1'));
    fail('');
    calls.length = 0;
    await network.attach('c', { ...REQUEST, networks });
    assert.deepEqual(steps(), ['detach', 'detach local', 'detachLocal', 'giveBack e1']);
    calls.length = 0;
    fail('join');
    await network.detach('c');
    await assert.rejects(network.attach('c', { ...REQUEST, networks }), /join eth0 failed/);
    assert.deepEqual(steps().slice(-3), ['detach local', 'detachLocal', 'giveBack e1']);
  });

  it('is on both from the start where that is wished', async () => {
    const { calls, network } = setUp();
    const wish = (target: string) => ({ target, aliases: [], addresses: [] });
    const mac = '02:00:00:00:00:07';
    const networks = [wish('back'), { ...wish('bridge'), mac }];
    const made = await network.attach('c', { ...REQUEST, networks });
    assert.deepEqual([names(made), made.mac], [['bridge', 'back'], mac]);
    assert.deepEqual(calls, ['obtain', 'attach eth1', 'join eth0', 'names net1']);
  });
});
