import assert from 'node:assert/strict';
import { allocateAddresses } from './address-allocation.js';
import { isSwarmtsError } from './errors.js';
import { SubnetPool } from './subnet-pool.js';

const pool = (subnet: string, gateway: string) => SubnetPool.of({ subnet, gateway, ipRange: '', reserved: {} });
const three = () => [pool('10.1.0.0/30', '10.1.0.1'), pool('10.2.0.0/24', '10.2.0.1'), pool('fd00::/64', 'fd00::1')];

describe('addresses on a network', () => {
  it('are one of each family, whatever the number of subnets', () => {
    assert.deepEqual(allocateAddresses(three(), 'a'), ['10.1.0.2/30', 'fd00::2/64']);
  });

  it('come from the next subnet when one is full', () => {
    const pools = three();
    allocateAddresses(pools, 'a');
    assert.deepEqual(allocateAddresses(pools, 'b'), ['10.2.0.2/24', 'fd00::3/64']);
  });

  it('are the wished ones, each from its subnet', () => {
    assert.deepEqual(allocateAddresses(three(), 'a', ['10.2.0.9']), ['10.2.0.9/24', 'fd00::2/64']);
    assert.throws(
      () => allocateAddresses(three(), 'a', ['192.0.2.1']),
      (e) => isSwarmtsError(e, 'invalid-argument') && e.message.includes('192.0.2.1'),
    );
  });

  it('are all or none', () => {
    const pools = [pool('10.1.0.0/30', '10.1.0.1'), pool('fd00::/64', 'fd00::1')];
    allocateAddresses(pools, 'a');
    assert.throws(
      () => allocateAddresses(pools, 'b', ['fd00::5']),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
    assert.equal(pools[1]?.used, 1);
  });
});
