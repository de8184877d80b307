import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeAddress, decodeMac, encodeAddress, encodeMac, parsePrefix } from './ip-address.js';

describe('addresses', () => {
  const texts: readonly [string, string][] = [
    ['10.0.0.5', '0a000005'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fd00::', 'fd000000000000000000000000000000'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['1:0:0:2::3', '00010000000000020000000000000003'],
  ];
  for (const [text, hex] of texts) {
    it(`${text} is ${hex}`, () => {
      assert.equal(encodeAddress(text).toString('hex'), hex);
      assert.equal(decodeAddress(Buffer.from(hex, 'hex')), text);
    });
  }

  it('reads an IPv4 address inside of an IPv6 one', () => {
    assert.equal(encodeAddress('::ffff:1.2.3.4').toString('hex'), '00000000000000000000ffff01020304');
  });

  it('comes back from its bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, (b) => {
        const text = decodeAddress(Buffer.from(b));
        assert.deepEqual(encodeAddress(text), Buffer.from(b));
      }),
    );
  });

  it('refuses what is none', () => {
    for (const text of ['', '1.2.3', '1.2.3.256', 'fe80::1%eth0', 'x'])
      assert.throws(() => encodeAddress(text), TypeError);
    for (const text of ['1.2.3.4/33', '1.2.3.4/', '::/129', '1.2.3.4/-1']) {
      assert.throws(() => parsePrefix(text), TypeError);
    }
    assert.throws(() => encodeMac('02:00:00:00:00'), TypeError);
  });

  it('parses prefixes, a bare address being a host', () => {
    assert.deepEqual(parsePrefix('10.0.0.0/24'), { address: '10.0.0.0', prefixLength: 24 });
    assert.deepEqual(parsePrefix('fd00::1'), { address: 'fd00::1', prefixLength: 128 });
  });

  it('has MAC addresses in both forms', () => {
    assert.equal(decodeMac(encodeMac('02:42:AC:1e:00:02')), '02:42:ac:1e:00:02');
  });
});
