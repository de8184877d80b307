/**
 * What the parsers make of messages that are cut, changed or grown: something of their own type, nothing, or a RangeError; they never
 * read beyond a message, and never loop. And of whole ones: what was asked for.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseConnection } from '../conntrack.js';
import { addAddress, parseAddress } from '../rtnetlink/address.js';
import { createLink, parseLink } from '../rtnetlink/link.js';
import { parseNeighbour, setFdb, setNeighbour } from '../rtnetlink/neighbour.js';
import { addRoute, parseRoute } from '../rtnetlink/route.js';
import { addRule, parseRule } from '../rtnetlink/rule.js';
import { parseWireguard } from '../wireguard/genetlink.js';
import { encodeRequest, type Message, parseAcknowledgement, parseMessages, type Request } from './message.js';

const parsers: Readonly<Record<string, (m: Message) => unknown>> = {
  link: parseLink,
  address: parseAddress,
  route: parseRoute,
  rule: parseRule,
  neighbour: parseNeighbour,
  connection: parseConnection,
  acknowledgement: parseAcknowledgement,
  wireguard: (m) => parseWireguard([m]),
};

const samples: readonly Request[] = [
  createLink({ kind: 'vxlan', name: 'vx0', index: 9, vni: 77, port: 4789, local: 'fd00::7', mtu: 1450 }),
  createLink({ kind: 'veth', name: 'veth0', mac: '02:42:ac:1e:00:02', peer: { name: 'peer0' } }),
  addAddress({ index: 2, address: 'fd00::1', prefixLength: 64 }),
  addRoute({ destination: '10.1.0.5/32', gateway: '169.254.0.3', index: 2, table: 1000 }),
  addRule({ family: 'ipv4', priority: 1000, table: 100, mark: 0x10000, mask: 0x10000 }),
  setNeighbour({ index: 2, address: '10.1.0.5', mac: '02:42:0a:01:00:05' }),
  setFdb({ index: 2, mac: '02:42:0a:01:00:05', destination: '192.0.2.1' }),
];

function parseAll(bytes: Buffer): void {
  let messages: readonly Message[] = [];
  try {
    messages = parseMessages(bytes);
  } catch (e) {
    assert.ok(e instanceof RangeError, String(e));
  }
  for (const m of messages) {
    for (const [name, parse] of Object.entries(parsers)) {
      try {
        parse(m);
      } catch (e) {
        assert.ok(e instanceof RangeError, `${name}: ${e}`);
      }
    }
  }
}

const sample = fc.constantFrom(...samples).map((r) => encodeRequest(r, 1, 0));

/** With a length that says so: what is cut is the message, not the datagram. */
function withLength(bytes: Buffer): Buffer {
  if (bytes.length >= 4) bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

describe('hostile netlink messages', () => {
  it('of which anything is cut off are refused or read as far as they are whole', () => {
    for (const request of samples) {
      const whole = encodeRequest(request, 1, 0);
      for (let end = 0; end < whole.length; end++) {
        parseAll(Buffer.from(whole.subarray(0, end)));
        parseAll(withLength(Buffer.from(whole.subarray(0, end))));
      }
    }
  });

  it('in which any bytes are others are refused or read as what they say', () => {
    const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sample, changes, (bytes, list) => {
        const changed = Buffer.from(bytes);
        for (const [at, value] of list) changed[at % changed.length] = value;
        parseAll(changed);
        parseAll(withLength(changed));
      }),
      { numRuns: 3_000 },
    );
  });

  it('with attributes that are longer than the message, or empty, or without end, are refused', () => {
    const [first = assert.fail()] = samples;
    const whole = encodeRequest(first, 1, 0);
    for (const length of [0, 1, 3, 0xffff]) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt16LE(length, 32);
      assert.throws(() => parseLink(parseMessages(bytes)[0] ?? assert.fail()), RangeError, String(length));
    }
  });

  it('of random bytes of every kind are refused or read', () => {
    const types = fc.constantFrom(2, 16, 20, 24, 28, 32, 0x0100);
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 300 }), (type, content) => {
        const bytes = withLength(Buffer.concat([Buffer.alloc(16), content]));
        bytes.writeUInt16LE(type, 4);
        parseAll(bytes);
      }),
      { numRuns: 2_000 },
    );
  });
});

const ipv4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((p) => p.join('.'));
const index = fc.integer({ min: 1, max: 0x7fff_ffff });
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((b) => Buffer.from(b).toString('hex').match(/../g)?.join(':') ?? '');
const there = (r: Request): Message => parseMessages(encodeRequest(r, 1, 0))[0] ?? assert.fail();

describe('netlink messages there and back', () => {
  it('keep routes', () => {
    fc.assert(
      fc.property(ipv4, ipv4, index, fc.integer({ min: 1, max: 0xffff_ffff }), (address, gateway, i, table) => {
        const found = parseRoute(there(addRoute({ destination: `${address}/32`, gateway, index: i, table })));
        assert.deepEqual(
          [found?.destination, found?.gateway, found?.index, found?.table],
          [`${address}/32`, gateway, i, table],
        );
      }),
    );
  });

  it('keep neighbours', () => {
    fc.assert(
      fc.property(ipv4, mac, index, (address, hardware, i) => {
        const found = parseNeighbour(there(setNeighbour({ index: i, address, mac: hardware })));
        assert.deepEqual([found?.family, found?.address, found?.mac, found?.index], ['ipv4', address, hardware, i]);
      }),
    );
  });

  it('keep rules', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.nat(0xffff_ffff),
        (priority, table, mark) => {
          const rule = { family: 'ipv6', priority, table, mark, mask: 0xff00 } as const;
          assert.deepEqual(parseRule(there(addRule(rule))), rule);
        },
      ),
    );
  });
});
