import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { bridgeSubnet } from './bridge-subnet.js';

describe('the subnet of the local network', () => {
  it('has its first address as gateway, or the one that bip names', () => {
    assert.equal(bridgeSubnet('172.30.0.0/16').gateway, '172.30.0.1');
    const named = bridgeSubnet('192.168.7.254/24');
    assert.deepEqual([named.cidr, named.gateway, named.prefixLength], ['192.168.7.0/24', '192.168.7.254', 24]);
  });

  it('leaves out the addresses of network, gateway and broadcast', () => {
    const { pool } = bridgeSubnet('10.1.2.0/30');
    assert.equal(pool.allocate('a'), '10.1.2.2');
    assert.throws(
      () => pool.allocate('b'),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
  });

  it('gives out addresses of fixed-cidr alone', () => {
    const { pool } = bridgeSubnet('172.30.0.1/16', '172.30.8.0/30');
    assert.deepEqual(
      ['a', 'b'].map((o) => pool.allocate(o)),
      ['172.30.8.0', '172.30.8.1'],
    );
  });

  it('is refused where it is none, or fixed-cidr lies outside, with the flag and the value', () => {
    for (const [bip, fixed, words] of [
      ['fd00::1/64', '', /bip "fd00::1\/64"/],
      ['172.30.0.1', '', /bip "172.30.0.1"/],
      ['rubbish', '', /bip "rubbish"/],
      ['10.0.0.1/31', '', /bip 10.0.0.1\/31/],
      ['172.30.0.1/16', '172.31.0.0/24', /fixed-cidr 172.31.0.0\/24 does not lie in 172.30.0.0\/16/],
      ['172.30.0.1/16', '172.0.0.0/8', /fixed-cidr/],
    ] as const) {
      assert.throws(
        () => bridgeSubnet(bip, fixed),
        (e) => isSwarmtsError(e, 'invalid-argument') && words.test(e.message),
        bip,
      );
    }
  });
});
