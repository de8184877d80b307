import assert from 'node:assert/strict';
import { isSwarmtsError, parseIpPrefix, prefixesOverlap } from '@swarmts/lib';
import { Cluster, Driver, IpamConfig, IpamOptions, Network, NetworkSpec } from '@swarmts/proto';
import { type AllocationView, allocateNetwork, VNI_OPTION, vniOf } from './network-allocation.js';

const view = (networks: readonly Network[] = [], cluster: Partial<Cluster> = {}, nodeAddresses: string[] = []) =>
  ({
    networks,
    leaving: [],
    nodeAddresses,
    cluster: Cluster.create({ defaultAddressPools: ['10.0.0.0/8'], subnetSize: 24, ...cluster }),
  }) satisfies AllocationView;

function make(id: string, spec: Partial<NetworkSpec>, v: AllocationView): Network {
  const full = NetworkSpec.create(spec);
  return Network.create({ id, spec: full, ...allocateNetwork(full, v) });
}

const subnets = (n: Network) => n.ipam?.configs.map((c) => `${c.subnet} ${c.gateway}`) ?? [];
const withSubnet = (subnet: string, rest: Partial<IpamConfig> = {}) => ({
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet, ...rest })] }),
});

describe('a new network', () => {
  it('gets the next free subnet, its first address as gateway, and the next VNI', () => {
    const ingress = make('i', { ingress: true }, view());
    assert.deepEqual(subnets(ingress), ['10.0.0.0/16 10.0.0.1']);
    const first = make('a', {}, view([ingress]));
    const second = make('b', {}, view([ingress, first]));
    assert.deepEqual([subnets(first), subnets(second)], [['10.1.0.0/24 10.1.0.1'], ['10.1.1.0/24 10.1.1.1']]);
    assert.deepEqual([ingress, first, second].map(vniOf), [4096, 4097, 4098]);
  });

  it('takes what an older one gave back', () => {
    const a = make('a', {}, view());
    const b = make('b', {}, view([a]));
    assert.deepEqual(subnets(make('c', {}, view([b]))), subnets(a));
    assert.equal(vniOf(make('c', {}, view([b]))), vniOf(a));
  });

  it('keeps what the user fixes, and refuses what overlaps', () => {
    const a = make('a', withSubnet('10.9.0.0/16', { gateway: '10.9.3.1' }), view());
    assert.deepEqual(subnets(a), ['10.9.0.0/16 10.9.3.1']);
    for (const subnet of ['10.9.0.0/16', '10.9.3.0/24', '10.0.0.0/8']) {
      assert.throws(
        () => make('b', withSubnet(subnet), view([a])),
        (e) => isSwarmtsError(e, 'conflict') && /overlaps with other one/.test(e.message),
      );
    }
  });

  it('refuses gateways, reserved addresses and ranges outside of its subnet', () => {
    for (const rest of [{ gateway: '10.8.0.1' }, { reserved: { printer: '10.8.0.1' } }, { ipRange: '10.8.0.0/28' }]) {
      assert.throws(
        () => make('a', withSubnet('10.9.0.0/24', rest), view()),
        (e) =>
          isSwarmtsError(e, 'invalid-argument') &&
          /^invalid network config:\ninvalid (gateway|auxiliary|ip-range) /.test(e.message),
      );
    }
  });

  it('has both families when asked to', () => {
    const dual = make('a', { ipv6Enabled: true }, view());
    assert.deepEqual(subnets(dual), ['10.0.0.0/24 10.0.0.1', 'fd5a:7273::/64 fd5a:7273::1']);
    assert.deepEqual(subnets(make('b', { ipv6Enabled: true, ...withSubnet('fd00:1::/64') }, view([dual]))), [
      '10.0.1.0/24 10.0.1.1',
      'fd00:1::/64 fd00:1::1',
    ]);
  });

  it('never hides the address of a node', () => {
    const n = make('a', {}, view([], { defaultAddressPools: ['192.168.0.0/16'] }, ['192.168.0.7', 'host.example']));
    assert.deepEqual(subnets(n), ['192.168.1.0/24 192.168.1.1']);
  });

  it('is refused at once when the pools are used up', () => {
    const v = { defaultAddressPools: ['10.20.0.0/23'], subnetSize: 24 };
    const made: Network[] = [];
    for (let i = 0; i < 2; i++) made.push(make(`n${i}`, {}, view(made, v)));
    assert.throws(
      () => make('n2', {}, view(made, v)),
      (e) => isSwarmtsError(e, 'resource-exhausted') && /10\.20\.0\.0\/23/.test(e.message),
    );
  });

  it('takes a fixed VNI that nobody has', () => {
    const driver = (vni: string) => ({ driver: Driver.create({ options: { [VNI_OPTION]: vni } }) });
    const a = make('a', driver('7000'), view());
    assert.equal(vniOf(a), 7000);
    assert.throws(() => make('b', driver('7000'), view([a])), /in use by network/);
    assert.throws(() => make('b', driver('16777216'), view()), /invalid VXLAN network identifier/);
  });

  it('overlaps nothing through ten thousand rounds of making and removing', () => {
    let made: Network[] = [];
    for (let i = 0; i < 10_000; i++) {
      const fresh = make(`n${i}`, {}, view(made));
      const mine = parseIpPrefix(fresh.ipam?.configs[0]?.subnet ?? '');
      for (const n of made) {
        assert.ok(!prefixesOverlap(mine, parseIpPrefix(n.ipam?.configs[0]?.subnet ?? '')));
        assert.notEqual(vniOf(n), vniOf(fresh));
      }
      made.push(fresh);
      if (made.length > 8) made = made.filter((_, k) => k !== i % 8);
    }
    assert.deepEqual(subnets(make('last', {}, view())), ['10.0.0.0/24 10.0.0.1'], 'nothing is remembered');
  });

  it('gets the subnet of a network whose tasks still stop only when there is no other, and never its VNI', () => {
    const gone = make('a', {}, view());
    const leaving = { ...view(), leaving: [gone] };
    const next = make('b', {}, leaving);
    assert.notEqual(subnets(next)[0], subnets(gone)[0]);
    const small = { defaultAddressPools: ['10.0.0.0/24'] };
    const only = make('c', {}, view([], small));
    const again = make('d', {}, { ...view([], small), leaving: [only] });
    assert.deepEqual(subnets(again), subnets(only));
    assert.notEqual(vniOf(again), vniOf(only));
    const asked = make('e', withSubnet('10.0.0.0/24'), { ...view(), leaving: [gone] });
    assert.equal(subnets(asked).length, 1);
  });
});
