import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Driver, ENDPOINT_IFNAME, Network } from '@swarmts/proto';
import type { NetworkWish } from './container-config.js';
import { interfaceName, interfaceNames } from './interface-names.js';

const wish = (target: string, ifname = ''): NetworkWish => ({
  target,
  aliases: [],
  addresses: [],
  ...(ifname === '' ? {} : { driverOptions: { [ENDPOINT_IFNAME]: ifname } }),
});
const network = (prefix: string) =>
  Network.create({
    driverState: Driver.create({ name: 'bridge', options: { 'com.docker.network.container_iface_prefix': prefix } }),
  });

describe('names of interfaces', () => {
  it('are numbered in the order of the networks, by the prefix of each', () => {
    const wishes = [wish('a'), wish('lan1'), wish('b'), wish('lan2')];
    const names = interfaceNames(wishes, (w) => (w.target.startsWith('lan') ? network('lan') : undefined));
    assert.deepEqual([...names.values()], ['eth0', 'lan0', 'eth1', 'lan1']);
  });

  it('are those that are asked for, which others make room for', () => {
    const names = interfaceNames([wish('a'), wish('b', 'eth0'), wish('c', 'up')], () => undefined);
    assert.deepEqual([...names.values()], ['eth1', 'eth0', 'up']);
  });

  it('are refused where another interface has them, or none can', () => {
    const refused = (ifname: string, code: 'conflict' | 'invalid-argument', why: RegExp) =>
      assert.throws(
        () => interfaceName(wish('a', ifname), undefined, new Set(['eth0'])),
        (e) => isSwarmtsError(e, code) && why.test(e.message),
      );
    refused('eth0', 'conflict', /network a cannot be eth0/);
    refused('lo', 'invalid-argument', /endpoint.ifname "lo": the name is taken/);
    refused('gw', 'invalid-argument', /the name is taken/);
    refused('sixteen-bytes-00', 'invalid-argument', /more than 15 bytes/);
    for (const bad of ['a b', 'a/b', 'a:b', 'eth%d']) refused(bad, 'invalid-argument', /characters/);
  });
});
