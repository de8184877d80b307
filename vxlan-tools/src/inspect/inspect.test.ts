/** Against the kernel, in a namespace of our own. Needs root. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNetns, deleteNetns, withNetns } from '../namespace.js';
import { NetlinkSocket } from '../netlink/socket.js';
import { addAddress } from '../rtnetlink/address.js';
import { createLink, setLink } from '../rtnetlink/link.js';
import { setFdb, setNeighbour } from '../rtnetlink/neighbour.js';
import { addRoute, deleteRoute } from '../rtnetlink/route.js';
import { runInspect } from './main.js';

describe('vxlan-inspect', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vxlan-inspect-'));
  const netns = join(dir, 'a');
  const route = { destination: '10.1.0.5/32', gateway: '169.254.0.3', index: 100, onLink: true } as const;
  const run = (...argv: readonly string[]) => {
    let out = '';
    const code = runInspect(argv, (text) => {
      out += text;
    });
    return { code, out };
  };
  const inside = (fn: (socket: NetlinkSocket) => void) =>
    withNetns(netns, () => {
      const socket = new NetlinkSocket();
      try {
        fn(socket);
      } finally {
        socket.close();
      }
    });

  before(() => {
    createNetns(netns);
    inside((socket) => {
      socket.request(
        createLink({ kind: 'vxlan', name: 'vx0', index: 100, vni: 4097, port: 4789, local: '192.0.2.1', mtu: 1450 }),
      );
      socket.request(setLink({ index: 1 }, { up: true }));
      socket.request(addAddress({ index: 1, address: '10.1.0.1', prefixLength: 32 }));
      socket.request(setLink({ index: 100 }, { up: true }));
      socket.request(setNeighbour({ index: 100, address: '169.254.0.3', mac: '02:00:00:00:00:03' }));
      socket.request(setFdb({ index: 100, mac: '02:00:00:00:00:03', destination: '192.0.2.2' }));
      socket.request(addRoute(route));
    });
  });
  after(() => {
    deleteNetns(netns);
    rmSync(dir, { recursive: true });
  });

  it('shows devices, where their frames go, and the routes that lead there', () => {
    const { code, out } = run(netns);
    assert.equal(code, 0);
    assert.match(out, /vx0: vni 4097, from 192\.0\.2\.1 port 4789, up, mtu 1450\n/);
    assert.match(out, /frames {5}02:00:00:00:00:03 > 192\.0\.2\.2/);
    assert.match(out, /neighbour {2}169\.254\.0\.3 > 02:00:00:00:00:03/);
    assert.match(out, /route {6}10\.1\.0\.5\/32 via 169\.254\.0\.3/);
  });

  it('compares with what it has shown before', () => {
    const file = join(dir, 'expected.json');
    writeFileSync(file, run('--json', netns).out);
    assert.deepEqual(run('--expect', file, netns), { code: 0, out: 'all is as expected\n' });
    inside((socket) => {
      socket.request(deleteRoute(route));
      socket.request(setLink({ index: 100 }, { mtu: 1400 }));
    });
    const { code, out } = run('--expect', file, netns);
    assert.equal(code, 1);
    assert.match(out, /mtu is 1400, expected 1450/);
    assert.match(out, /routes: missing 10\.1\.0\.5\/32 via 169\.254\.0\.3/);
  });

  it('explains itself', () => {
    assert.equal(run('--help').code, 0);
    assert.equal(run('--nonsense').code, 2);
    assert.match(run('--nonsense').out, /^usage: vxlan-inspect/);
  });
});
