/** Both ways to configure WireGuard: what is sent, byte by byte, and what is read back. */
import assert from 'node:assert/strict';
import { encodeRequest, type Message, NLM_F_ACK, parseMessages } from '../netlink/message.js';
import {
  decodeKey,
  encodeKey,
  newPrivateKey,
  parseEndpoint,
  planPeers,
  publicKeyOf,
  type WireguardChanges,
} from './device.js';
import { familyRequest, parseWireguard, setWireguard } from './genetlink.js';
import { encodeUapiSet, parseUapi } from './uapi.js';

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const hex = (fill: number) => Buffer.alloc(32, fill).toString('hex');
const peer = { publicKey: key(2), endpoint: '192.0.2.1:4790', allowedIps: ['169.254.0.2/32'], keepaliveS: 25 };
const changes: WireguardChanges = { privateKey: key(1), listenPort: 4790, peers: [peer], removedPeers: [key(3)] };

describe('WireGuard keys', () => {
  it('have the public key that `wg pubkey` prints', () => {
    assert.equal(publicKeyOf(key(0x40)), '17XoHTNuV4sTuNcG6C0GHjA4yWvOZs3PUNVmuW3buhA=');
  });

  it('are new every time, and 32 bytes', () => {
    const [a, b] = [newPrivateKey(), newPrivateKey()];
    assert.notEqual(a, b);
    assert.equal(decodeKey(publicKeyOf(a)).length, 32);
  });

  it('are refused when they are no keys', () => {
    assert.throws(() => decodeKey('AAAA'), /not a WireGuard key: 3 bytes/);
    assert.equal(encodeKey(Buffer.alloc(32)), '', 'zeros stand for none');
  });
});

describe('endpoints', () => {
  it('are read in both families, and nothing else is', () => {
    assert.deepEqual(parseEndpoint('192.0.2.1:4790'), { address: '192.0.2.1', port: 4790 });
    assert.deepEqual(parseEndpoint('[2001:db8::1]:4790'), { address: '2001:db8::1', port: 4790 });
    for (const bad of ['', '192.0.2.1', '2001:db8::1:4790', '192.0.2.1:70000', ':1']) {
      assert.throws(() => parseEndpoint(bad), /not an address with a port/, bad);
    }
  });
});

describe('what is to change about peers', () => {
  const found = { ...peer, lastHandshakeS: 9 };
  it('is nothing when all is as it should be', () => assert.equal(planPeers([peer], [found]), undefined));
  it('is those that are new, different or gone', () => {
    const moved = { ...peer, endpoint: '192.0.2.9:4790' };
    assert.deepEqual(planPeers([moved], [found]), { peers: [moved], removedPeers: [] });
    assert.deepEqual(planPeers([], [found]), { peers: [], removedPeers: [key(2)] });
  });
});

describe('the protocol of wireguard-go', () => {
  it('sets keys in hexadecimal, and the keepalive of a peer last', () => {
    assert.equal(
      encodeUapiSet(changes),
      `set=1\nprivate_key=${hex(1)}\nlisten_port=4790\npublic_key=${hex(3)}\nremove=true\n` +
        `public_key=${hex(2)}\nendpoint=192.0.2.1:4790\nreplace_allowed_ips=true\nallowed_ip=169.254.0.2/32\n` +
        'persistent_keepalive_interval=25\n\n',
    );
  });

  it('is read back with peers and their handshakes', () => {
    const device = parseUapi(
      `private_key=${hex(1)}\nlisten_port=4790\npublic_key=${hex(2)}\nendpoint=192.0.2.1:4790\n` +
        `last_handshake_time_sec=17\npersistent_keepalive_interval=25\nallowed_ip=169.254.0.2/32\nerrno=0\n\n`,
    );
    assert.deepEqual(device, {
      publicKey: publicKeyOf(key(1)),
      listenPort: 4790,
      peers: [{ ...peer, lastHandshakeS: 17 }],
    });
  });

  it('reports an error as an error', () => assert.throws(() => parseUapi('errno=-98\n\n'), /reports error 98/));
});

describe('the protocol of the kernel’s WireGuard', () => {
  const FAMILY = 0x1f;
  const bytes = (c: WireguardChanges) =>
    setWireguard(FAMILY, 'wg0', c).map((r, i) => encodeRequest(r, i + 1, NLM_F_ACK).toString('hex'));

  it('finds its number by name', () => {
    assert.equal(
      encodeRequest(familyRequest('wireguard'), 1, NLM_F_ACK).toString('hex'),
      `24000000100005000100000000000000030100000e000200${Buffer.from('wireguard\0').toString('hex')}0000`,
    );
  });

  it('sets key and port', () => {
    assert.deepEqual(bytes({ privateKey: key(1), listenPort: 4790 }), [
      `480000001f000500010000000000000001010000080002007767300024000300${hex(1)}06000600b6120000`,
    ]);
  });

  it('sets a peer with all that it has, as one element of an array', () => {
    const [set] = bytes({ peers: [peer] });
    const allowed = '200009801c000080060001000200000008000200a9fe00020500030020000000';
    assert.equal(
      set,
      '8c0000001f000500010000000000000001010000' +
        '0800020077673000' +
        '70000880' +
        '6c000080' +
        `24000100${hex(2)}` +
        '0800030002000000' +
        '14000400020012b6c00002010000000000000000' +
        '0600050019000000' +
        allowed,
    );
  });

  it('splits many peers over several messages', () => {
    const peers = Array.from({ length: 401 }, (_, i) => ({ ...peer, publicKey: key(i % 250), endpoint: '' }));
    assert.equal(bytes({ peers }).length, 3);
  });

  it('reads back what it set, a peer that is split between messages as one', () => {
    const messages = [
      ...bytes({ peers: [{ ...peer, allowedIps: ['10.0.0.1/32'] }], listenPort: 4790 }),
      ...bytes({ peers: [{ ...peer, allowedIps: ['fd00::/64'] }] }),
    ].flatMap((h): Message[] => parseMessages(Buffer.from(h, 'hex')));
    assert.deepEqual(parseWireguard(messages), {
      publicKey: '',
      listenPort: 4790,
      peers: [{ ...peer, allowedIps: ['10.0.0.1/32', 'fd00::/64'], lastHandshakeS: 0 }],
    });
  });
});
