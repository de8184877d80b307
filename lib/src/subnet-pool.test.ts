import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isSwarmtsError } from './errors.js';
import { parseIpPrefix } from './ip-prefix.js';
import { SubnetPool } from './subnet-pool.js';

const pool = (subnet: string, range?: string, reserved: readonly string[] = []) =>
  new SubnetPool({
    subnet: parseIpPrefix(subnet),
    ...(range ? { range: parseIpPrefix(range) } : {}),
    reserved,
  });

describe('a pool of addresses', () => {
  it('hands out everything but its edges and what is reserved, then says at once that it is full', () => {
    const p = pool('10.0.1.0/29', undefined, ['10.0.1.1', '10.0.1.4']);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((o) => p.allocate(o)),
      ['10.0.1.2', '10.0.1.3', '10.0.1.5', '10.0.1.6'],
    );
    assert.throws(
      () => p.allocate('e'),
      (e) => isSwarmtsError(e, 'resource-exhausted') && /10\.0\.1\.0\/29/.test(e.message),
    );
  });

  it('chooses from the range and lets fixed addresses lie outside of it', () => {
    const p = pool('10.0.1.0/24', '10.0.1.64/30', ['10.0.1.1']);
    assert.equal(p.claim('fixed', '10.0.1.200'), '10.0.1.200');
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((o) => p.allocate(o)),
      ['10.0.1.64', '10.0.1.65', '10.0.1.66', '10.0.1.67'],
    );
    assert.throws(() => p.allocate('e'), /in use/);
    assert.deepEqual([p.available, p.taken], [0n, 8n], 'four, the fixed one, the gateway and both edges');
    p.release('fixed');
    p.release('b');
    assert.deepEqual([p.available, p.taken], [1n, 6n]);
  });

  it('gives a fixed address to one owner only, and never the gateway', () => {
    const p = pool('10.0.1.0/24', undefined, ['10.0.1.1']);
    p.claim('a', '10.0.1.9');
    assert.throws(
      () => p.claim('b', '10.0.1.9'),
      (e) => isSwarmtsError(e, 'conflict'),
    );
    for (const address of ['10.0.1.1', '10.0.1.0', '10.0.1.255', '10.0.2.1']) {
      assert.throws(
        () => p.claim('b', address),
        (e) => isSwarmtsError(e, 'invalid-argument'),
        address,
      );
    }
  });

  it('counts IPv6 subnets of any size', () => {
    const p = pool('fd00::/64', undefined, ['fd00::1']);
    assert.equal(p.allocate('a'), 'fd00::2');
    assert.equal(p.claim('b', 'fd00::ffff:ffff:ffff:ffff'), 'fd00::ffff:ffff:ffff:ffff');
  });

  it('hands out a freed address as late as possible', () => {
    const p = pool('10.0.1.0/29', undefined, ['10.0.1.1']);
    const first = p.allocate('a');
    p.release('a');
    const later = ['b', 'c', 'd', 'e'].map((o) => p.allocate(o));
    assert.ok(!later.includes(first));
    assert.equal(p.allocate('f'), first);
  });

  it('is empty after ten thousand rounds of taking and giving back', () => {
    const p = pool('10.0.1.0/24', undefined, ['10.0.1.1']);
    for (let i = 0; i < 10_000; i++) {
      p.allocate(`task-${i}`);
      if (i >= 200) assert.ok(p.release(`task-${i - 200}`));
    }
    for (let i = 9_800; i < 10_000; i++) assert.ok(p.release(`task-${i}`));
    assert.equal(p.used, 0);
    for (let i = 0; i < 253; i++) p.allocate(`again-${i}`);
    assert.throws(() => p.allocate('one more'));
  });

  it('never has one address twice and never loses one, whatever happens in which order', () => {
    const command = fc.record({
      owner: fc.integer({ min: 0, max: 9 }).map(String),
      act: fc.constantFrom('allocate', 'release', 'claim'),
      host: fc.integer({ min: 0, max: 7 }),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
        const p = pool('10.0.0.0/29', undefined, ['10.0.0.1']);
        const held = new Map<string, string>();
        for (const { owner, act, host } of commands) {
          const address = `10.0.0.${host}`;
          const claimable = host >= 2 && host <= 6 && [...held].every(([o, a]) => a !== address || o === owner);
          if (act === 'release') assert.equal(p.release(owner), held.delete(owner));
          else if (act === 'claim' && claimable) held.set(owner, p.claim(owner, address));
          else if (act === 'claim') assert.throws(() => p.claim(owner, address));
          else if (held.has(owner)) assert.equal(p.allocate(owner), held.get(owner));
          else if (held.size < 5) held.set(owner, p.allocate(owner));
          else assert.throws(() => p.allocate(owner));
          assert.equal(new Set(held.values()).size, held.size);
          assert.equal(p.used, held.size);
        }
      }),
    );
  });
});
