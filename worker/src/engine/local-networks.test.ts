/** Networks of one node: what is told when they are made and removed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@swarmts/lib';
import { Driver, IpamConfig, IpamOptions, Network, NetworkSpec } from '@swarmts/proto';
import { LocalNetworks } from './local-networks.js';

describe('networks of a node', () => {
  let dir: string;
  let networks: LocalNetworks;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-networks-'));
    const routed = { apply: () => undefined };
    networks = await LocalNetworks.open({ dir, routed, taken: [], clock: systemClock, logger: silentLogger });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const spec = (name: string, driver: string, options: Record<string, string> = {}, more: Partial<NetworkSpec> = {}) =>
    NetworkSpec.create({
      annotations: { name, labels: {} },
      driver: Driver.create({ name: driver, options }),
      ...more,
    });

  it('are told when they are made and removed, with name and driver', async () => {
    const told: string[] = [];
    const stop = networks.onEvent((e) => told.push([e.type, e.action, e.attributes.name, e.attributes.type].join(' ')));
    const ids = [
      await networks.create(spec('back', 'bridge')),
      await networks.create(spec('wire', 'macvlan', { parent: 'eth0' })),
      await networks.create(spec('plan', 'bridge', {}, { configOnly: true })),
    ];
    for (const id of ids) await networks.remove(id);
    stop();
    await networks.create(spec('silent', 'bridge'));
    assert.deepEqual(told, [
      ...['network create back bridge', 'network create wire macvlan', 'network create plan null'],
      ...['network destroy back bridge', 'network destroy wire macvlan', 'network destroy plan null'],
    ]);
  });

  it('have addresses of IPv6 alone where that is wished', async () => {
    const subnets = async (name: string, more: Partial<NetworkSpec>) => {
      const id = await networks.create(spec(name, 'bridge', {}, { ipv6Enabled: true, ...more }));
      return networks.find(id)?.ipam?.configs.map((c) => c.subnet);
    };
    const configs = ['10.5.0.0/24', 'fd00:5::/64'].map((subnet) => IpamConfig.create({ subnet }));
    assert.deepEqual(await subnets('plain', { ipv4Disabled: true }), ['fd5a:7274::/64']);
    assert.deepEqual(await subnets('both', { ipv4Disabled: true, ipam: IpamOptions.create({ configs }) }), [
      'fd00:5::/64',
    ]);
    await networks.create(spec('plan', 'bridge', {}, { configOnly: true, ipv6Enabled: true, ipv4Disabled: true }));
    assert.deepEqual(await subnets('planned', { ipv6Enabled: false, configFrom: 'plan' }), ['fd5a:7274:0:1::/64']);
    const { attachment } = await networks.obtain(
      { target: 'plain', aliases: [], addresses: [] },
      { id: 'c1', name: 'one' },
    );
    assert.deepEqual(attachment.addresses, ['fd5a:7274::2/64']);
  });

  it('are made for networks of the swarm as this node has it, as long as somebody is on them', async () => {
    const configs = [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.9', ipRange: '10.9.0.64/30' })];
    const plan = { configOnly: true, ipam: IpamOptions.create({ configs }) };
    const planId = await networks.create(spec('plan', '', { parent: 'eth7' }, plan));
    const ofSwarm = Network.create({ id: 'n123', spec: spec('wire', 'macvlan', {}, { configFrom: 'plan' }) });
    const join = (name: string, endpointId?: string) =>
      networks.place(ofSwarm, { target: 'n123', aliases: [], addresses: [] }, { id: `c-${name}`, name }, endpointId);
    const [one, two] = await Promise.all([join('one'), join('two', 'of-managers')]);
    assert.deepEqual([one.attachment.addresses, two.attachment.addresses], [['10.9.0.64/24'], ['10.9.0.65/24']]);
    assert.deepEqual([one.endpointId, two.endpointId], ['n123.c-one', 'of-managers']);
    assert.equal(one.attachment.network?.driverState?.options.parent, 'eth7');
    assert.deepEqual([networks.find('wire'), networks.list().length], [undefined, 1], 'it is the swarm’s');
    await assert.rejects(networks.remove(planId), /configuration network "plan" is in use/);
    await assert.rejects(networks.create(spec('other', 'bridge', {}, { configFrom: 'plan' })), /Pool overlaps/);
    await networks.giveBack(one.endpointId);
    assert.ok(networks.owns('of-managers'));
    await networks.giveBack('of-managers');
    await networks.remove(planId);
    await assert.rejects(join('three'), /configuration network "plan" does not exist/);
  });

  it('have names and subnets of their own also when several are made at once', async () => {
    const made = await Promise.allSettled(['a', 'b', 'a', 'c'].map((name) => networks.create(spec(name, 'bridge'))));
    assert.deepEqual(
      made.map((m) => m.status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    const subnets = networks.list().map((n) => n.ipam?.configs[0]?.subnet);
    assert.equal(new Set(subnets).size, 3, subnets.join());
  });

  it('have nobody who joins while they are removed', async () => {
    const id = await networks.create(spec('back', 'bridge'));
    const removed = networks.remove(id);
    const joined = networks.obtain({ target: 'back', aliases: [], addresses: [] }, { id: 'c1', name: 'one' });
    await assert.rejects(joined, /network back not found/);
    await removed;
  });

  it('are refused with options that would have no effect, wherever those come from', async () => {
    const options = { 'com.docker.network.bridge.enable_ip_masquerade': 'false' };
    await assert.rejects(networks.create(spec('open', 'bridge', options)), /is not supported/);
    await networks.create(spec('plan', 'bridge', options, { configOnly: true }));
    await assert.rejects(networks.create(spec('open', 'bridge', {}, { configFrom: 'plan' })), /is not supported/);
    assert.deepEqual(
      networks.list().map((n) => n.spec?.annotations?.name),
      ['plan'],
    );
  });
});
