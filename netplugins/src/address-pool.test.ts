import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { AddressPool, macOf } from './address-pool.js';

describe('an address pool', () => {
  it('leaves out the addresses of network, gateway and broadcast', () => {
    const pool = new AddressPool('10.1.2.0/29');
    assert.equal(pool.gateway, '10.1.2.1');
    const all = ['a', 'b', 'c', 'd', 'e'].map((owner) => pool.allocate(owner));
    assert.deepEqual(all, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']);
    assert.throws(
      () => pool.allocate('f'),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
  });

  it('takes any address of the subnet for its name', () => {
    assert.equal(new AddressPool('192.168.255.77/20').subnet, '192.168.240.0/20');
    assert.equal(new AddressPool('255.255.255.255/24').gateway, '255.255.255.1');
  });

  it('gives the same owner the same address', () => {
    const pool = new AddressPool('172.30.0.0/16');
    assert.equal(pool.allocate('a'), pool.allocate('a'));
    assert.equal(pool.used, 1);
  });

  it('hands a freed address out again as late as possible', () => {
    const pool = new AddressPool('10.1.2.0/29');
    const first = pool.allocate('a');
    pool.release('a');
    const later = ['b', 'c', 'd', 'e'].map((owner) => pool.allocate(owner));
    assert.ok(!later.includes(first));
    assert.equal(pool.allocate('f'), first);
  });

  it('takes up the addresses that were given before a restart', () => {
    const pool = new AddressPool('172.30.0.0/16');
    pool.claim('a', '172.30.0.2');
    assert.equal(pool.allocate('a'), '172.30.0.2');
    assert.equal(pool.allocate('b'), '172.30.0.3');
    assert.throws(
      () => pool.claim('c', '172.30.0.2'),
      (e) => isSwarmtsError(e, 'conflict'),
    );
    for (const address of ['172.31.0.2', '172.30.0.1', '172.30.0.0', '172.30.255.255', 'x']) {
      assert.throws(
        () => pool.claim('c', address),
        (e) => isSwarmtsError(e, 'invalid-argument'),
      );
    }
  });

  it('refuses what is no usable subnet', () => {
    for (const subnet of ['', '10.0.0.0', '10.0.0.0/', '10.0.0.0/31', '10.0.0.0/4', '10.0.0/24', 'fd00::/64']) {
      assert.throws(
        () => new AddressPool(subnet),
        (e) => isSwarmtsError(e, 'invalid-argument'),
        subnet,
      );
    }
  });

  it('never gives one address to two owners', () => {
    const command = fc.record({ owner: fc.integer({ min: 0, max: 9 }), release: fc.boolean() });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
        const pool = new AddressPool('10.0.0.0/29');
        const held = new Map<string, string>();
        for (const { owner, release } of commands) {
          const name = String(owner);
          if (release) {
            pool.release(name);
            held.delete(name);
          } else if (held.has(name) || held.size < pool.capacity) {
            held.set(name, pool.allocate(name));
          } else {
            assert.throws(() => pool.allocate(name));
          }
          assert.equal(new Set(held.values()).size, held.size);
          assert.equal(pool.used, held.size);
        }
      }),
    );
  });

  it('makes the MAC of the address', () => {
    assert.equal(macOf('172.30.1.255'), '02:42:ac:1e:01:ff');
  });
});
