/** Against the running kernel, in namespaces of our own. Needs root. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MissingLibraryError, NetlinkError, NftError, SystemCallError } from './errors.js';
import { closeFd, loadNftLibrary, pipe } from './ffi.js';
import { bindUdp, listenTcp } from './inet-socket.js';
import { mount, planMount, unmount } from './mount.js';
import { createNetns, deleteNetns, isNamespaceFile, netnsInode, withNetns } from './namespace.js';
import { NetlinkSocket } from './netlink/socket.js';
import { NftContext } from './nft.js';
import { Reaper, spawn } from './process.js';
import { addAddress, dumpAddresses, parseAddress } from './rtnetlink/address.js';
import { createLink, dumpLinks, getLink, ipv4Setting, parseLink, setLink } from './rtnetlink/link.js';
import { dumpFdb, dumpNeighbours, parseNeighbour, setFdb, setNeighbour } from './rtnetlink/neighbour.js';
import { addRoute, deleteRoute, dumpRoutes, MAIN_TABLE, parseRoute, routeProtocol } from './rtnetlink/route.js';
import { addRule, deleteRule, dumpRules, FR_ACT_PROHIBIT, parseRule, type Rule } from './rtnetlink/rule.js';

describe('the kernel', () => {
  let dir: string;
  let files: string[];
  const homeInode = netnsInode();

  function newNetns(name: string): string {
    const path = join(dir, name);
    files.push(path);
    createNetns(path);
    return path;
  }

  function inside<T>(path: string, fn: (socket: NetlinkSocket) => T): T {
    return withNetns(path, () => {
      const socket = new NetlinkSocket();
      try {
        return fn(socket);
      } finally {
        socket.close();
      }
    });
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vxlan-tools-'));
    files = [];
  });

  afterEach(() => {
    for (const file of files) deleteNetns(file);
    rmSync(dir, { recursive: true, force: true });
    assert.equal(netnsInode(), homeInode, 'the thread is back home');
  });

  it('keeps a namespace as long as its file, and the thread stays where it was', () => {
    const path = newNetns('a');
    assert.ok(isNamespaceFile(path));
    assert.notEqual(netnsInode(path), homeInode);
    assert.equal(netnsInode(), homeInode);
    assert.equal(
      withNetns(path, () => netnsInode()),
      netnsInode(path),
    );
    deleteNetns(path);
    assert.ok(!existsSync(path));
    deleteNetns(path);
  });

  it('refuses to create a namespace over another one', () => {
    const path = newNetns('a');
    assert.throws(
      () => createNetns(path),
      (e: unknown) => e instanceof SystemCallError && e.code === 'EEXIST',
    );
    assert.ok(isNamespaceFile(path));
  });

  it('makes a namespace of the empty file that a crash left', () => {
    const path = join(dir, 'left');
    files.push(path);
    writeFileSync(path, '');
    createNetns(path);
    assert.ok(isNamespaceFile(path));
  });

  it('leaves nothing when the work inside of a new namespace fails', () => {
    const path = join(dir, 'fails');
    assert.throws(
      () =>
        createNetns(path, () => {
          throw new RangeError('no');
        }),
      RangeError,
    );
    assert.ok(!existsSync(path));
    assert.equal(netnsInode(), homeInode);
  });

  it('comes home when a window throws, or is not synchronous', () => {
    const path = newNetns('a');
    assert.throws(() =>
      withNetns(path, () => {
        throw new RangeError('no');
      }),
    );
    assert.equal(netnsInode(), homeInode);
    assert.throws(() => withNetns(path, () => Promise.resolve()), /synchronous/);
    assert.throws(() => withNetns(join(dir, 'none'), () => 1), /ENOENT/);
  });

  it('builds a veth across namespaces in one batch, with addresses, routes and neighbours', () => {
    const a = newNetns('a');
    const b = newNetns('b');
    const fd = openSync(b, 'r');
    try {
      const results = inside(a, (socket) =>
        socket.batch([
          setLink({ index: 1 }, { up: true }),
          createLink({
            kind: 'veth',
            name: 'left',
            index: 2,
            mtu: 1400,
            peer: { name: 'right', index: 7, netnsFd: fd },
          }),
          setLink(
            { index: 2 },
            { up: true, ipv4: { [ipv4Setting.routeLocalnet]: 1, [ipv4Setting.rpFilter]: 2 }, noIpv6LinkLocal: true },
          ),
          addAddress({ index: 2, address: '10.1.0.1', prefixLength: 16, noPrefixRoute: true }),
          addRoute({ destination: '10.1.0.9/32', index: 2 }),
          addRoute({ destination: 'default', gateway: '10.1.0.9', index: 2 }),
          setNeighbour({ index: 2, address: '10.1.0.9', mac: '02:00:00:00:00:09' }),
        ]),
      );
      assert.deepEqual(results, new Array(7).fill(undefined));
    } finally {
      closeSync(fd);
    }
    inside(a, (socket) => {
      const link = parseLink(socket.get(getLink({ name: 'left' })));
      assert.deepEqual(
        [link?.kind, link?.up, link?.mtu, link?.linkIndex, link?.peerNetnsId !== undefined],
        ['veth', true, 1400, 7, true],
      );
      const routes = socket.dump(dumpRoutes('ipv4')).map((m) => parseRoute(m)?.destination);
      assert.deepEqual(routes.sort(), ['10.1.0.9/32', 'default']);
      const by = (maker: number) => socket.dump(dumpRoutes('ipv4', MAIN_TABLE, maker)).length;
      assert.deepEqual([by(routeProtocol.static), by(routeProtocol.boot)], [2, 0]);
      const addresses = socket.dump(dumpAddresses(2)).map((m) => parseAddress(m)?.address);
      assert.deepEqual(addresses, ['10.1.0.1']);
      const [neighbour] = socket.dump(dumpNeighbours('ipv4', 2)).map(parseNeighbour);
      assert.equal(neighbour?.mac, '02:00:00:00:00:09');
      socket.request(deleteRoute({ destination: 'default', gateway: '10.1.0.9', index: 2 }));
      assert.equal(socket.dump(dumpRoutes('ipv4')).length, 1);
      assert.equal(readFileSync('/proc/sys/net/ipv4/conf/left/route_localnet', 'utf8').trim(), '1');
      assert.equal(readFileSync('/proc/sys/net/ipv4/conf/left/rp_filter', 'utf8').trim(), '2');
    });
    assert.equal(
      inside(b, (socket) => parseLink(socket.get(getLink({ index: 7 })))?.name),
      'right',
    );
  });

  it('makes a vxlan device and its forwarding entries', () => {
    const a = newNetns('a');
    inside(a, (socket) => {
      socket.request(createLink({ kind: 'vxlan', name: 'vx', index: 9, vni: 4097, port: 4789, local: '10.0.0.1' }));
      socket.request(setFdb({ index: 9, mac: '02:00:00:00:00:02', destination: '10.9.9.9' }));
      socket.request(setFdb({ index: 9, mac: '02:00:00:00:00:02', destination: '10.9.9.8', vni: 5, port: 4790 }));
      const [entry] = socket.dump(dumpFdb(9)).map(parseNeighbour);
      assert.deepEqual(
        [entry?.family, entry?.mac, entry?.address, entry?.vni, entry?.port],
        ['fdb', '02:00:00:00:00:02', '10.9.9.8', 5, 4790],
      );
      assert.equal(parseLink(socket.get(getLink({ name: 'vx' })))?.vxlan?.vni, 4097);
    });
  });

  it('keeps rules by mark and by source, and finds them again', () => {
    const path = newNetns('a');
    const rules: readonly Rule[] = [
      { family: 'ipv4', priority: 1000, table: 100, mark: 0x10000, mask: 0x10000 },
      { family: 'ipv4', priority: 1001, table: 300, mark: 1 },
      { family: 'ipv4', priority: 1002, table: 100, source: '10.0.0.5/32' },
      { family: 'ipv6', priority: 1003, table: 101, mark: 7 },
      { family: 'ipv6', priority: 1004, table: 0, action: FR_ACT_PROHIBIT },
    ];
    inside(path, (socket) => {
      for (const rule of rules) socket.request(addRule(rule));
      assert.throws(
        () => socket.request(addRule(rules[0] ?? assert.fail())),
        (e) => e instanceof NetlinkError && e.code === 'EEXIST',
      );
      const found = (family: 'ipv4' | 'ipv6') =>
        socket
          .dump(dumpRules(family))
          .flatMap((m) => parseRule(m) ?? [])
          .filter((r) => r.priority >= 1000 && r.priority < 2000);
      assert.deepEqual([...found('ipv4'), ...found('ipv6')], rules);
      for (const rule of rules) socket.request(deleteRule(rule));
      assert.deepEqual(found('ipv4'), []);
    });
  });

  it('opens sockets that stay in the namespace of their window', async () => {
    const path = newNetns('a');
    inside(path, (socket) => socket.request(setLink({ index: 1 }, { up: true })));
    const udp = createSocket('udp4');
    const server = createServer((client) => client.end('hello'));
    const [datagrams, stream] = withNetns(path, () => [bindUdp('127.0.0.11', 0), listenTcp('127.0.0.11', 0)]);
    assert.ok(datagrams && stream && datagrams.port > 0 && stream.port > 0);
    const listening = [once(udp, 'listening'), once(server, 'listening')];
    udp.bind({ fd: datagrams.fd });
    server.listen({ fd: stream.fd });
    await Promise.all(listening);
    assert.equal(udp.address().address, '127.0.0.11');
    withNetns(path, () => {
      // The addresses are taken in there, and nowhere else.
      assert.throws(() => listenTcp('127.0.0.11', stream.port), /EADDRINUSE/);
    });
    closeFd(listenTcp('127.0.0.11', stream.port).fd);
    udp.close();
    server.close();
  });

  it('goes on behind a request that fails, and says why it failed', () => {
    const a = newNetns('a');
    const results = inside(a, (socket) =>
      socket.batch([
        createLink({ kind: 'bridge', name: 'br0' }),
        createLink({ kind: 'bridge', name: 'br0' }),
        addRoute({ destination: '10.4.0.5/32', gateway: '9.9.9.9' }),
        createLink({ kind: 'bridge', name: 'br1' }),
      ]),
    );
    assert.deepEqual(
      results.map((e) => e?.code),
      [undefined, 'EEXIST', 'ENETUNREACH', undefined],
    );
    assert.match(results[2]?.message ?? '', /add route 10\.4\.0\.5\/32 via 9\.9\.9\.9: ENETUNREACH \(.+\)/);
    assert.throws(
      () => inside(a, (socket) => socket.get(getLink({ name: 'nope' }))),
      (e: unknown) => e instanceof NetlinkError && e.code === 'ENODEV',
    );
  });

  it('takes batches and dumps of any size', () => {
    const a = newNetns('a');
    inside(a, (socket) => {
      socket.request(createLink({ kind: 'bridge', name: 'br0', index: 2 }));
      socket.request(setLink({ index: 2 }, { up: true }));
      const routes = Array.from({ length: 1500 }, (_, i) =>
        addRoute({ destination: `10.${i >> 8}.${i & 255}.1/32`, index: 2 }),
      );
      assert.ok(socket.batch(routes).every((e) => e === undefined));
      assert.equal(socket.dump(dumpRoutes('ipv4')).length, 1500);
      assert.equal(socket.dump(dumpLinks()).length, 2);
    });
  });

  it('applies an nftables document as a whole or not at all', () => {
    const a = newNetns('a');
    withNetns(a, () => {
      const nft = new NftContext();
      try {
        nft.run(
          'add table inet t\nadd map inet t m { type inet_service : ipv4_addr; }\nadd element inet t m { 80 : 10.0.0.1 }',
        );
        assert.throws(() => nft.run('add table inet u\nadd rule inet u none accept'), NftError);
        assert.throws(() => nft.run('nonsense'), /syntax error/);
        const listing = nft.run('list ruleset');
        assert.match(listing, /elements = \{ 80 : 10\.0\.0\.1 \}/);
        assert.doesNotMatch(listing, /table inet u/);
        assert.match(nft.run('list table inet t', 'a'), /# handle \d+/);
        assert.doesNotMatch(nft.run('list table inet t'), /# handle/);
        assert.ok(JSON.parse(nft.run('list tables', 'j')));
      } finally {
        nft.close();
      }
    });
  });

  it('says which library is missing', () => {
    assert.throws(
      () => loadNftLibrary('libnftables-of-nobody.so.9'),
      (e: unknown) => e instanceof MissingLibraryError && e.message.includes('libnftables-of-nobody.so.9'),
    );
  });

  it('starts processes with signals at their defaults and reaps them', async () => {
    const reaper = new Reaper();
    try {
      const pids = ['exit 3', 'kill -TERM $$', 'true'].map((script) => spawn({ argv: ['sh', '-c', script], env: {} }));
      const ends = await Promise.all(pids.map((pid) => reaper.wait(pid)));
      assert.deepEqual(ends, [
        { code: 3, signal: '' },
        { code: -1, signal: 'SIGTERM' },
        { code: 0, signal: '' },
      ]);
      assert.deepEqual(reaper.pids, []);
      assert.throws(
        () => spawn({ argv: ['no-such-program'], env: {} }),
        (e: unknown) => e instanceof SystemCallError && e.code === 'ENOENT',
      );
    } finally {
      reaper.close();
    }
  });

  it('gives a child exactly the descriptors and the environment that it was told', async () => {
    const reaper = new Reaper();
    const file = join(dir, 'out');
    const fd = openSync(file, 'w');
    const unrelated = pipe();
    try {
      const pid = spawn({
        // Swapped numbers, so that no copy may overwrite a source; ls has its own descriptor of the directory.
        argv: ['sh', '-c', 'env; pwd; ls /proc/$$/fd'],
        env: { ONLY: 'this' },
        cwd: dir,
        fds: new Map([
          [1, fd],
          [fd, 2],
        ]),
      });
      assert.equal((await reaper.wait(pid)).code, 0);
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      assert.ok(lines.includes('ONLY=this'));
      assert.ok(lines.includes(dir));
      assert.ok(!lines.some((l) => l.startsWith('HOME=')));
      const fds = lines.filter((l) => /^\d+$/.test(l)).map(Number);
      assert.deepEqual(
        fds.filter((n) => n < 10).sort((x, y) => x - y),
        [...new Set([0, 1, 2, fd])].filter((n) => n < 10).sort((x, y) => x - y),
      );
    } finally {
      closeSync(fd);
      closeFd(unrelated[0]);
      closeFd(unrelated[1]);
      reaper.close();
    }
  });

  it('mounts and unmounts, read-only binds in two steps', () => {
    const target = join(dir, 'm');
    const bound = join(dir, 'b');
    mkdirSync(target);
    mkdirSync(bound);
    try {
      mount({ source: 'tmpfs', target, fstype: 'tmpfs', flags: ['nosuid', 'nodev'], data: 'size=64k' });
      writeFileSync(join(target, 'file'), 'x');
      mount({ source: target, target: bound, fstype: '', flags: ['bind', 'ro', 'rprivate'] });
      assert.equal(readFileSync(join(bound, 'file'), 'utf8'), 'x');
      assert.throws(() => writeFileSync(join(bound, 'file'), 'y'), /EROFS/);
      writeFileSync(join(target, 'file'), 'y');
    } finally {
      assert.equal(unmount(bound), true);
      assert.equal(unmount(target), true);
    }
    assert.equal(unmount(target), false);
    assert.equal(unmount(join(dir, 'never')), false);
  });

  it('plans the calls of a mount', () => {
    const calls = (flags: string[], fstype = '') =>
      planMount({ source: 's', target: 't', fstype, flags }).map((s) => s.flags);
    assert.deepEqual(calls(['bind']), [0x1000]);
    assert.deepEqual(calls(['bind', 'rec', 'ro']), [0x5000, 0x1021]);
    assert.deepEqual(calls(['rprivate']), [0x44000]);
    assert.deepEqual(calls(['bind', 'runbindable']), [0x5000, 0x24000]);
    assert.deepEqual(calls(['bind', 'remount', 'ro']), [0x1021]);
    assert.deepEqual(calls(['nosuid'], 'overlay'), [0x2]);
    assert.throws(() => calls(['loud']), TypeError);
  });
});
