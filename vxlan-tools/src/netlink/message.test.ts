/** The bytes of requests, against what `ip` of iproute2 6.1 sends for the same wish (captured), and hostile answers. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addAddress, parseAddress } from '../rtnetlink/address.js';
import { createLink, deleteLink, parseLink, setLink } from '../rtnetlink/link.js';
import { setFdb, setNeighbour } from '../rtnetlink/neighbour.js';
import { addRoute } from '../rtnetlink/route.js';
import { addRule } from '../rtnetlink/rule.js';
import {
  type Attribute,
  encodeRequest,
  NLM_F_ACK,
  parseAcknowledgement,
  parseAttributes,
  parseMessages,
  type Request,
  u32,
} from './message.js';

const SEQUENCE = 0x6b011b83;

/** Captured bytes with the nest marks (0x80 in the high byte of the type) that we set and `ip` leaves out. */
const captured: readonly [string, Request, string][] = [
  [
    'ip link add veth0 mtu 1450 address 02:42:ac:1e:00:02 type veth peer name peer0',
    createLink({ kind: 'veth', name: 'veth0', mtu: 1450, mac: '02:42:ac:1e:00:02', peer: { name: 'peer0' } }),
    '7000000010000506831b016b000000000000000000000000000000000000000008000400aa0500000a0001000242ac1e000200000a000300' +
      '76657468300000003000128008000100766574682400028020000100000000000000000000000000000000000a0003007065657230000000',
  ],
  [
    'ip link add vx0 type vxlan id 4097 dstport 4789 local 10.0.0.1 nolearning',
    createLink({ kind: 'vxlan', name: 'vx0', vni: 4097, port: 4789, local: '10.0.0.1' }),
    '5c00000010000506831b016b00000000000000000000000000000000000000000800030076783000340012800900010076786c616e000000' +
      '240002800800010001100000080004000a000001050007000000000006000f0012b50000',
  ],
  [
    'ip addr add 10.1.0.1/32 dev br0',
    addAddress({ index: 2, address: '10.1.0.1', prefixLength: 32 }),
    '2800000014000506831b016b000000000220000002000000080002000a010001080001000a010001',
  ],
  [
    'ip addr add fd00::1/64 dev br0 nodad',
    addAddress({ index: 2, address: 'fd00::1', prefixLength: 64, noDad: true }),
    '4000000014000506831b016b000000000a4002000200000014000200fd00000000000000000000000000000114000100fd00000000000000' +
      '0000000000000001',
  ],
  [
    'ip route add 10.1.0.5/32 dev br0 proto static',
    addRoute({ destination: '10.1.0.5/32', index: 2 }),
    '2c00000018000506831b016b0000000002200000fe04fd0100000000080001000a0100050800040002000000',
  ],
  [
    'ip route add default via 10.1.0.9 dev br0 onlink proto static',
    addRoute({ destination: 'default', gateway: '10.1.0.9', index: 2, onLink: true }),
    '2c00000018000506831b016b0000000002000000fe04000104000000080005000a0100090800040002000000',
  ],
  [
    'ip rule add fwmark 0x10000/0x10000 table 100 prio 1000',
    addRule({ family: 'ipv4', priority: 1000, table: 100, mark: 0x10000, mask: 0x10000 }),
    '3400000020000506831b016b0000000002000000640000010000000008000a00000001000800100000000100' + '08000600e8030000',
  ],
  [
    'ip neigh replace 10.1.0.5 lladdr 02:00:00:00:00:01 dev br0 nud permanent',
    setNeighbour({ index: 2, address: '10.1.0.5', mac: '02:00:00:00:00:01' }),
    '300000001c000505831b016b00000000020000000200000080000000080001000a0100050a0002000200000000010000',
  ],
  [
    'bridge fdb append 02:00:00:00:00:02 dev vx0 dst 10.9.9.9',
    setFdb({ index: 5, mac: '02:00:00:00:00:02', destination: '10.9.9.9' }, 'append'),
    '300000001c00050c831b016b000000000700000005000000c00002000a0002000200000000020000080001000a090909',
  ],
  ['ip link del vx0', deleteLink({ index: 5 }), '2000000011000500831b016b0000000000000000050000000000000000000000'],
];

describe('netlink requests', () => {
  for (const [command, request, bytes] of captured) {
    it(`encodes "${command}" as iproute2 does`, () => {
      assert.equal(encodeRequest(request, SEQUENCE, NLM_F_ACK).toString('hex'), bytes);
    });
  }

  it('puts the IPv4 settings of a link into nested attributes per family', () => {
    const bytes = encodeRequest(setLink({ index: 3 }, { up: true, ipv4: { 26: 1 } }), 1, 0);
    // AF_SPEC { AF_INET { IFLA_INET_CONF { 26: 1 } } }, flags and change mask IFF_UP.
    assert.equal(
      bytes.toString('hex'),
      '340000001000010001000000000000000000000003000000010000000100000014001a8010000280' + '0c00018008001a0001000000',
    );
  });

  it('refuses names that the kernel would refuse or cut', () => {
    for (const name of ['', 'a-name-of-16-byte', 'a/b', 'a b']) {
      assert.throws(() => createLink({ kind: 'bridge', name }), TypeError);
    }
  });
});

describe('netlink answers', () => {
  it('read back the attributes that were written', () => {
    const leaf = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.uniqueArray(leaf, { selector: ([type]) => type }), (leaves) => {
        const attributes = leaves.map(([type, bytes]): Attribute => [type, Buffer.from(bytes)]);
        const [message] = parseMessages(
          encodeRequest({ type: 16, flags: 0, header: Buffer.alloc(16), attributes, operation: '' }, 7, 0),
        );
        assert.ok(message);
        assert.equal(message.sequence, 7);
        const parsed = parseAttributes(message.payload.subarray(16));
        assert.equal(parsed.size, leaves.length);
        for (const [type, bytes] of leaves) assert.deepEqual([...(parsed.get(type) ?? [])], [...bytes]);
      }),
    );
  });

  it('never read beyond a datagram, whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const message of parseMessages(Buffer.from(bytes))) parseAttributes(message.payload);
        } catch (e) {
          assert.ok(e instanceof RangeError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('carry the errno and the sentence of an extended acknowledgement', () => {
    const text = Buffer.from('Nexthop has invalid gateway\0');
    const attribute = Buffer.concat([Buffer.from([4 + text.length, 0, 1, 0]), text]);
    const payload = Buffer.concat([Buffer.alloc(4), Buffer.alloc(16), attribute]);
    payload.writeInt32LE(-101, 0);
    assert.deepEqual(parseAcknowledgement({ type: 2, flags: 0x300, sequence: 1, payload }), {
      errno: 101,
      detail: 'Nexthop has invalid gateway',
    });
  });

  it('describe a vxlan device', () => {
    const request = createLink({
      kind: 'vxlan',
      name: 'vx0',
      index: 9,
      vni: 77,
      port: 4789,
      local: 'fd00::7',
      mtu: 1450,
    });
    const [message] = parseMessages(encodeRequest(request, 1, 0));
    assert.ok(message);
    const link = parseLink(message);
    assert.equal(link?.name, 'vx0');
    assert.equal(link?.mtu, 1450);
    assert.deepEqual(link?.vxlan, { vni: 77, port: 4789, local: 'fd00::7', learning: false });
  });

  it('tell addresses without a prefix route', () => {
    const request = addAddress({ index: 4, address: '172.30.0.2', prefixLength: 16, noPrefixRoute: true });
    const [message] = parseMessages(encodeRequest(request, 1, 0));
    assert.ok(message);
    assert.deepEqual(parseAddress(message), {
      index: 4,
      address: '172.30.0.2',
      prefixLength: 16,
      scope: 0,
      noPrefixRoute: true,
    });
    assert.equal(request.attributes.length, 3);
    assert.deepEqual(request.attributes[2]?.[1], u32(0x200));
  });
});
