/** An encrypted network over two hosts: what is on the wire between them, and what happens while keys are renewed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '@swarmts/lib';
import { RoutedNetworks } from '@swarmts/netplugins';
import {
  type DataPathKey,
  Driver,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkAttachment,
  NetworkEndpoint,
  NetworkPeer,
  NetworkSpec,
  NetworkState,
} from '@swarmts/proto';
import { isNamespaceFile } from 'vxlan-tools';
import { eventually, startTestHost, type TestHost } from './test-host.js';
import { joinHosts } from './test-wire.js';

const VNI = 4100;
const NETWORK = Network.create({
  id: 'net1',
  spec: NetworkSpec.create({
    annotations: { name: 'back', labels: {} },
    driver: { name: 'overlay', options: { encrypted: '' } },
  }),
  driverState: Driver.create({ options: { 'com.docker.network.driver.overlay.vxlanid_list': String(VNI) } }),
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.1' })] }),
});
const SECRET = 'a-word-that-nobody-may-read';

interface Side {
  readonly name: 'a' | 'b';
  readonly host: TestHost;
  readonly networks: RoutedNetworks;
  readonly container: string;
  readonly address: string;
  keys: readonly DataPathKey[];
}

describe('encrypted networks over two hosts', () => {
  let a: Side;
  let b: Side;
  let ending = false;

  beforeEach(async () => {
    ending = false;
    a = await newSide('a', '10.9.0.5');
    b = await newSide('b', '10.9.0.6');
    joinHosts(a.host.netns, b.host.netns);
    for (const side of [a, b]) side.networks.setNode(side.name);
    tellBoth();
    for (const side of [a, b]) {
      await side.host.helper.createNetns(side.container);
      await attach(side);
    }
  });

  afterEach(async () => {
    ending = true;
    for (const side of [a, b]) {
      await side.networks.leave();
      await side.host.helper.detachLocal(side.container);
      await side.host.close();
    }
  });

  async function newSide(name: 'a' | 'b', address: string): Promise<Side> {
    const host = await startTestHost();
    const networks = new RoutedNetworks({
      executor: host.helper,
      dir: join(host.dir, 'routers'),
      onKeys: (keys) => {
        side.keys = keys;
        tellBoth();
      },
    });
    const side: Side = { name, host, networks, address, container: host.path('container'), keys: [] };
    return side;
  }

  /** As managers do: whatever one node says of itself the others hear. */
  const tellBoth = () => {
    if (ending) return;
    const known = [a, b].filter((s): s is Side => s !== undefined);
    const networks = [stateOf(known)];
    for (const s of known) s.networks.apply({ complete: true, networks, removedNetworkIds: [], dataPathPort: 4789 });
  };

  const attach = (side: Side) =>
    side.networks.attach({
      containerId: `container-${side.name}`,
      containerNetns: side.container,
      endpointId: `t-${side.name}`,
      attachment: NetworkAttachment.create({ network: NETWORK, addresses: [`${side.address}/24`] }),
      iface: 'eth0',
    });

  const until = async (what: string, condition: () => Promise<boolean>, timeoutMs = 15_000) => {
    for (const end = Date.now() + timeoutMs; !(await condition()); ) {
      if (Date.now() > end) throw new Error(`${what}: not in time`);
      await sleep(systemClock, 100);
    }
  };
  const connected = () => until('the containers reach each other', () => a.host.ping(a.container, b.address));
  const text = async (side: Side, netns: string, ...argv: string[]) =>
    Buffer.from((await side.host.run(netns, ...argv)).stdout).toString();
  const arrived = async () => {
    const listing = await text(b, b.container, 'nft', 'list', 'table', 'inet', 'probe');
    return Number(/counter packets (\d+)/.exec(listing)?.[1]);
  };
  const tunnelsOf = (side: Side) => join(side.host.dir, 'routers', 'tunnels');
  const devices = async (side: Side) =>
    [...(await text(side, tunnelsOf(side), 'ip', '-br', 'link')).matchAll(/^swg\w+-(\d+)/gm)]
      .map((m) => Number(m[1]))
      .sort();

  /** Counts packets on the wire that hold some bytes, and all of them by UDP port. */
  const listen = async (side: Side, seconds: number) => {
    const file = side.host.path('capture');
    const done = side.host.run(
      side.host.netns,
      'timeout',
      String(seconds),
      'tcpdump',
      '-Z',
      'root',
      '-U',
      '-i',
      'wire',
      '-w',
      file,
    );
    await eventually('tcpdump listens', () => {
      try {
        return readFileSync(file).length > 0;
      } catch {
        return false;
      }
    });
    return async () => {
      await done;
      return readFileSync(file);
    };
  };

  it('show no clear byte on the wire, and no VXLAN', async () => {
    await connected();
    const heard = await listen(a, 3);
    const server = a.host.run(b.container, 'timeout', '10', 'busybox', 'nc', '-l', '-p', '9000');
    await until('the text arrives', async () => {
      const sent = await b.host.run(a.container, 'sh', '-c', `echo ${SECRET} | busybox nc -w 1 ${b.address} 9000`);
      return sent.code === 0;
    });
    assert.match(Buffer.from((await server).stdout).toString(), new RegExp(SECRET));
    const bytes = await heard();
    assert.equal(bytes.indexOf(SECRET), -1);
    const ports = await text(
      a,
      a.host.netns,
      'tcpdump',
      '-Z',
      'root',
      '-nr',
      join(a.host.dir, 'capture'),
      'udp port 4789',
    );
    assert.equal(ports, '', 'no VXLAN outside of the tunnel');
    const encrypted = await text(
      a,
      a.host.netns,
      'tcpdump',
      '-Z',
      'root',
      '-nr',
      join(a.host.dir, 'capture'),
      'udp port 4791',
    );
    assert.match(encrypted, /192\.0\.2\.2\.4791/);
  });

  it('have devices that know their MTU where a process makes them', async function () {
    if ((await a.host.helper.encryption()) === 'kernel') this.skip();
    for (const side of [a, b]) {
      assert.doesNotMatch(readFileSync(join(side.host.dir, 'routers', 'tunnels.log'), 'utf8'), /ERROR.*MTU/);
    }
  });

  it('take no frame that comes in clear, whatever its VNI', async () => {
    await connected();
    assert.equal((await a.host.run(b.container, 'nft', PROBE)).code, 0);
    const mac = /link\/ether (\S+)/.exec(
      await text(b, join(b.host.dir, 'routers', 'net1'), 'ip', 'link', 'show', 'vx0'),
    )?.[1];
    for (const port of [4789, 4790, 4791]) {
      const argv = [process.execPath, '-e', INJECT, '192.0.2.2', String(port), a.address, b.address, String(mac)];
      assert.equal((await a.host.run(a.host.netns, ...argv)).code, 0);
    }
    assert.equal(await arrived(), 0);
  });

  it('lose nothing while keys are renewed, and forget the old ones', async () => {
    await connected();
    assert.equal((await a.host.run(b.container, 'nft', PROBE)).code, 0);
    const sending = a.host.run(a.container, process.execPath, '-e', SEND, b.address, '18');
    for (const side of [a, b]) side.networks.setKeyGeneration(2);
    const begin = Date.now();
    let course = '';
    const note = async () => {
      course += `\n${Date.now() - begin} ms: a ${await devices(a)}, b ${await devices(b)}, ${await arrived()} have arrived`;
    };
    await until(
      'both have changed over',
      async () => {
        for (const side of [a, b]) await side.networks.repair();
        const [left, right] = [await devices(a), await devices(b)];
        await note();
        return left.join() === '2' && right.join() === '2';
      },
      45_000,
    );
    const sent = Number(Buffer.from((await sending).stdout).toString());
    await note();
    assert.ok(sent > 1_000, `${sent} packets`);
    assert.equal(await arrived(), sent, `some of ${sent} packets were lost:${course}`);
    assert.deepEqual(
      a.keys.map((k) => k.generation),
      [2],
    );
  }).timeout(60_000);

  it('go on when keys are renewed again before the renewal has ended', async () => {
    await connected();
    for (const generation of [2, 3, 4]) {
      for (const side of [a, b]) side.networks.setKeyGeneration(generation);
      await until(`both use generation ${generation}`, async () => {
        for (const side of [a, b]) await side.networks.repair();
        if (!(await a.host.ping(a.container, b.address))) return false;
        const routes = await Promise.all([a, b].map((side) => text(side, tunnelsOf(side), 'ip', 'route')));
        return routes.every((r) => r.includes(`-${generation} `));
      });
    }
    assert.deepEqual(
      [await devices(a), await devices(b)],
      [
        [3, 4],
        [3, 4],
      ],
    );
  }).timeout(60_000);

  it('find each other soon where their first handshakes are lost', async () => {
    for (const side of [a, b]) {
      for (const attachment of side.networks.attachments()) side.networks.detach(attachment);
      await side.networks.settled();
      assert.equal((await side.host.run(side.host.netns, 'nft', LOSS)).code, 0);
    }
    await Promise.all([a, b].map(attach));
    // By itself WireGuard tries again after five seconds.
    for (const side of [a, b]) await side.host.run(side.host.netns, 'nft', 'delete table inet loss');
    await until('they answer', () => a.host.ping(a.container, b.address), 3_500);
  });

  it('come back when wireguard-go, a device or the whole namespace is lost', async () => {
    await connected();
    const tunnels = tunnelsOf(a);
    const device = (await text(a, tunnels, 'ip', '-br', 'link')).match(/^swg\S+/m)?.[0] ?? '';
    for (const damage of [
      () => a.host.run(tunnels, 'ip', 'link', 'del', device),
      () => a.host.helper.removeTunnels(tunnels),
      () => a.host.run(tunnels, 'ip', 'route', 'flush', 'table', 'main'),
      () => a.host.run(tunnels, 'ip', 'rule', 'flush'),
      () => a.host.run(tunnels, 'ip', 'addr', 'flush', 'dev', 'lo'),
      () => a.host.run(tunnels, 'ip', 'link', 'set', device, 'down'),
    ]) {
      await damage();
      await a.networks.repair();
      await connected();
    }
  }).timeout(90_000);

  it('go on with the same keys when the daemon begins anew', async () => {
    await connected();
    const keys = a.keys;
    const again = new RoutedNetworks({
      executor: a.host.helper,
      dir: join(a.host.dir, 'routers'),
      onKeys: (k) => (a.keys = k),
    });
    again.setNode('a');
    a.keys = [];
    again.apply({ complete: true, networks: a.networks.states(), removedNetworkIds: [], dataPathPort: 4789 });
    await again.restore(a.networks.attachments());
    assert.deepEqual(a.keys, keys);
    assert.ok(await a.host.ping(a.container, b.address));
  });

  it('leave nothing when the last container is gone', async () => {
    const [attachment] = a.networks.attachments();
    assert.ok(attachment);
    a.networks.detach(attachment);
    await a.networks.settled();
    assert.ok(!isNamespaceFile(tunnelsOf(a)));
    assert.deepEqual(a.keys, []);
  });

  it('are refused where a port is taken, with its number', async () => {
    const [attachment] = a.networks.attachments();
    assert.ok(attachment);
    a.networks.detach(attachment);
    await a.networks.settled();
    const bind = "require('dgram').createSocket('udp4').bind(4791)";
    const other = a.host.run(a.host.netns, 'timeout', '6', process.execPath, '-e', bind);
    await until('the port is taken', async () =>
      (await text(a, a.host.netns, 'cat', '/proc/thread-self/net/udp')).includes(':12B7 '),
    );
    await assert.rejects(() => attach(a), /UDP port 4791.*in use/);
    await other;
  });
});

function stateOf(sides: readonly Side[]): NetworkState {
  const index = { a: 2, b: 3 };
  return NetworkState.create({
    networkId: 'net1',
    complete: true,
    network: NETWORK,
    endpoints: sides.map((s) =>
      NetworkEndpoint.create({
        taskId: `t-${s.name}`,
        nodeId: s.name,
        name: s.name,
        addresses: [s.address],
        ready: true,
      }),
    ),
    peers: sides.map((s) =>
      NetworkPeer.create({
        nodeId: s.name,
        addr: `192.0.2.${s.name === 'a' ? 1 : 2}`,
        index: index[s.name],
        keys: [...s.keys],
      }),
    ),
  });
}

/** Counts in a container what arrives for port 9999. */
const LOSS = 'table inet loss { chain in { type filter hook prerouting priority -400; udp dport 4790-4791 drop; }; }';
const PROBE = 'table inet probe { chain in { type filter hook prerouting priority -400; udp dport 9999 counter; }; }';

/** Arguments: address, seconds. Prints how many packets it has sent. */
const SEND = `const [,to,seconds]=process.argv;const s=require('dgram').createSocket('udp4');let n=0;
const end=Date.now()+1000*seconds;const next=()=>{if(Date.now()>end){console.log(n);return s.close()}
s.send('x',9999,to,()=>{n++;setTimeout(next,4)})};next();`;

/** Arguments: node, its port, inner source, inner destination, MAC of the node's router. */
const INJECT = `const [,to,port,src,dst,router]=process.argv;const s=require('dgram').createSocket('udp4');
const ip=a=>a.split('.').map(Number);
const sum=b=>{let x=0;for(let i=0;i<b.length;i+=2)x+=b.readUInt16BE(i);while(x>>16)x=(x&65535)+(x>>16);return ~x&65535};
const frame=(vni)=>{const h=Buffer.alloc(20);h[0]=0x45;h.writeUInt16BE(32,2);h[8]=64;h[9]=17;
Buffer.from(ip(src)).copy(h,12);Buffer.from(ip(dst)).copy(h,16);h.writeUInt16BE(sum(h),10);
const u=Buffer.alloc(12);u.writeUInt16BE(1,0);u.writeUInt16BE(9999,2);u.writeUInt16BE(12,4);
const v=Buffer.alloc(8);v[0]=8;v.writeUInt32BE(vni<<8>>>0,4);
return Buffer.concat([v,Buffer.from(router.replaceAll(':',''),'hex'),Buffer.from([2,0,0,0,0,1]),Buffer.from([8,0]),h,u])};
let n=0;const next=()=>{if(n>=1000)return s.close();s.send(frame(4096+n%8),Number(port),to,()=>{n++;setImmediate(next)})};next();`;
