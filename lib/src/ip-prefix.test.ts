import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isSwarmtsError } from './errors.js';
import { formatIp, formatIpPrefix, parseIp, parseIpPrefix, prefixContains, prefixesOverlap } from './ip-prefix.js';

describe('IP addresses and prefixes', () => {
  it('come back as they were written, in canonical form', () => {
    for (const text of ['0.0.0.0', '10.1.2.3', '255.255.255.255', '::', '::1', 'fd00::a:0:0:1', '1:2:3:4:5:6:7:8']) {
      assert.equal(formatIp(parseIp(text)), text);
    }
    assert.equal(formatIp(parseIp('FD00:0:0:0:0:0:0:01')), 'fd00::1');
    assert.equal(formatIp(parseIp('::ffff:10.0.0.1')), '::ffff:a00:1');
  });

  it('survive the way through text, whatever the value', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (value) => {
        assert.equal(parseIp(formatIp({ family: 6, value })).value, value);
      }),
    );
  });

  it('cut off the bits behind the prefix, or refuse them where asked to', () => {
    assert.equal(formatIpPrefix(parseIpPrefix('10.1.2.3/16')), '10.1.0.0/16');
    assert.equal(formatIpPrefix(parseIpPrefix('fd00::1:1/64')), 'fd00::/64');
    assert.throws(() => parseIpPrefix('10.1.2.3/16', true), /did you mean 10\.1\.0\.0\/16/);
  });

  it('know what they contain and overlap', () => {
    const p = parseIpPrefix('10.1.0.0/16');
    assert.ok(prefixContains(p, parseIp('10.1.255.255')));
    assert.ok(!prefixContains(p, parseIp('10.2.0.0')));
    assert.ok(!prefixContains(p, parseIp('fd00::1')));
    assert.ok(prefixesOverlap(p, parseIpPrefix('10.0.0.0/8')));
    assert.ok(prefixesOverlap(parseIpPrefix('10.1.3.0/24'), p));
    assert.ok(!prefixesOverlap(p, parseIpPrefix('10.2.0.0/16')));
    assert.ok(!prefixesOverlap(parseIpPrefix('0.0.0.0/0'), parseIpPrefix('::/0')));
  });

  it('are refused when they are none', () => {
    for (const bad of ['', '10.0.0.0', '10.0.0/8', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'x/8', '::/129']) {
      assert.throws(
        () => parseIpPrefix(bad),
        (e) => isSwarmtsError(e, 'invalid-argument'),
        bad,
      );
    }
  });
});
