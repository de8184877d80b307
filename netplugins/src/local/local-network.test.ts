/** The driver against an executor that records: what is sent, how often, and what is left after failures. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { forwardKey } from '../forward/protocol.js';
import type { ConnectionFilter, LocalAttachmentSpec, NetExecutor, SoundLeg } from '../net-executor.js';
import { hostIfaceOf } from './local-leg.js';
import { type LocalEndpoint, LocalNetwork } from './local-network.js';

class RecordingExecutor implements NetExecutor {
  readonly documents: string[] = [];
  readonly attached: LocalAttachmentSpec[] = [];
  readonly detached: string[] = [];
  readonly devices: string[] = [];
  readonly flushed: ConnectionFilter[] = [];
  readonly listings = new Map<string, string>();
  failNext = '';
  /** How often it is going to fail. */
  failTimes = 1;

  async attachLocal(spec: LocalAttachmentSpec): Promise<void> {
    this.#maybeFail('attachLocal');
    this.attached.push(spec);
  }
  async detachLocal(netns: string): Promise<void> {
    this.#maybeFail('detachLocal');
    this.detached.push(netns);
  }
  async detachDevice(netns: string, iface: string): Promise<void> {
    this.#maybeFail('detachDevice');
    this.devices.push(`${netns} ${iface}`);
  }
  /** Containers whose leg somebody has taken away, by address. */
  readonly lost = new Set<string>();
  readonly repaired: string[] = [];
  async requireForwarding(): Promise<void> {}
  async soundLegs(): Promise<readonly SoundLeg[]> {
    return this.attached.filter((a) => !this.lost.has(a.address));
  }
  async repairLocal(spec: LocalAttachmentSpec): Promise<boolean> {
    if (!this.lost.delete(spec.address)) return false;
    this.repaired.push(spec.address);
    return true;
  }
  async createNetns(): Promise<void> {}
  async nft(document: string): Promise<void> {
    this.#maybeFail('nft');
    this.documents.push(document);
  }
  async nftList(command: string): Promise<string> {
    return this.listings.get(command) ?? '';
  }
  async flushConnections(filter: ConnectionFilter): Promise<void> {
    this.flushed.push(filter);
  }
  #maybeFail(method: string): void {
    if (this.failNext !== method) return;
    this.failTimes--;
    if (this.failTimes <= 0) {
      this.failNext = '';
      this.failTimes = 1;
    }
    throw new Error(`${method} failed`);
  }
}

/** Where the host has IPv6: what is forwarded, and what is said of it. */
async function startedOnBoth() {
  /** After each message. */
  const sets: string[][] = [];
  /** How many forwards each message was about. */
  const sizes: number[] = [];
  const says = { failed: {} as Record<string, string>, silent: false, onTold: (): unknown => undefined };
  const told = (size: number, forwards: Iterable<string>) => {
    if (says.silent) throw new Error('no answer');
    sets.push([...forwards]);
    sizes.push(size);
    says.onTold();
    return says.failed;
  };
  const executor = new RecordingExecutor();
  const network = new LocalNetwork(executor, {
    probe: () => Promise.resolve(true),
    ipv6: {
      isAvailable: () => true,
      set: async (forwards) => told(forwards.length, forwards.map(forwardKey)),
      async change(added, removed) {
        const gone = removed.map(forwardKey);
        const kept = (sets.at(-1) ?? []).filter((key) => !gone.includes(key));
        return told(added.length + removed.length, [...kept, ...added.map(forwardKey)]);
      },
    },
  });
  await network.restore([]);
  return { executor, network, sets, sizes, says };
}

async function started(): Promise<{ executor: RecordingExecutor; network: LocalNetwork }> {
  const executor = new RecordingExecutor();
  const network = new LocalNetwork(executor, { probe: () => Promise.resolve(true) });
  await network.restore([]);
  executor.documents.length = 0;
  return { executor, network };
}

const http = { protocol: 'tcp' as const, publishedPort: 8080, targetPort: 80 };

describe('the local network', () => {
  it('is empty until a container needs it, and again afterwards', async () => {
    const { network } = await started();
    assert.equal(network.isEmpty, true);
    await network.attach('a', { netns: '/n/a' });
    assert.equal(network.isEmpty, false);
    await network.detach('a');
    assert.equal(network.isEmpty, true);
  });

  it('moves a container from its place to the way out and back, with address and ports', async () => {
    const { executor, network } = await started();
    const before = await network.attach('a', { netns: '/n/a', mac: '02-00-00-00-00-AA' });
    assert.equal(before.mac, '02:00:00:00:00:aa');
    await network.publish('a', [http]);
    const planned: LocalEndpoint[] = [];
    const moved = await network.move('a', { gatewayOnly: true }, async (p) => void planned.push(p));
    assert.deepEqual([moved.containerIface, moved.address, moved.ports.length], ['gw', before.address, 1]);
    assert.deepEqual(
      planned.map((p) => [p.containerIface, p.replaces]),
      [['gw', 'eth0']],
    );
    assert.deepEqual(executor.devices, ['/n/a eth0']);
    await network.move('a', { iface: 'eth1' }, async () => undefined);
    assert.deepEqual([network.endpoint('a')?.containerIface, network.endpoint('a')?.replaces], ['eth1', undefined]);
    assert.deepEqual(executor.devices, ['/n/a eth0', '/n/a gw']);
  });

  it('leaves a container where it was when it cannot be moved', async () => {
    for (const step of ['attachLocal', 'detachDevice', 'beside']) {
      const { executor, network } = await started();
      const before = await network.attach('a', { netns: '/n/a' });
      executor.failNext = step;
      const beside = async () => {
        if (step === 'beside') throw new Error('beside failed');
      };
      await assert.rejects(network.move('a', { gatewayOnly: true }, beside), new RegExp(`${step} failed`));
      assert.deepEqual(network.endpoint('a'), before);
      assert.deepEqual([executor.attached.at(-1)?.containerIface, executor.devices.at(-1)], ['eth0', '/n/a gw']);
    }
  });

  it('takes a leg back that could not be written down', async () => {
    const { executor, network } = await started();
    const beside = async () => {
      throw new Error('disk full');
    };
    await assert.rejects(network.attach('a', { netns: '/n/a', iface: 'eth1' }, beside), /disk full/);
    assert.deepEqual([network.endpoint('a'), executor.devices], [undefined, ['/n/a eth1']]);
  });

  it('keeps an address from others until the leg that has it is out of the container', async () => {
    const { executor, network } = await started();
    const beside = async () => {
      executor.failNext = 'detachDevice';
      throw new Error('disk full');
    };
    await assert.rejects(network.attach('a', { netns: '/n/a', iface: 'eth1' }, beside), /disk full/);
    const first = executor.attached.at(-1)?.address;
    assert.notEqual((await network.attach('b', { netns: '/n/b' })).address, first);
    assert.equal((await network.attach('a', { netns: '/n/a', iface: 'eth1' })).address, first);
    await network.repair();
    assert.deepEqual(executor.devices, [], 'it has been taken up again');
  });

  it('takes a leg back by the next repair that was made for nothing', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a', iface: 'eth1' }, async () => undefined);
    executor.failNext = 'detachDevice';
    await network.discard('a');
    assert.deepEqual([network.endpoint('a'), executor.devices], [undefined, []]);
    await network.repair();
    assert.deepEqual(executor.devices, ['/n/a eth1']);
  });

  it('finishes a move that failed both ways by the next repair', async () => {
    const { executor, network } = await started();
    const before = await network.attach('a', { netns: '/n/a' });
    const beside = async () => {
      executor.failNext = 'attachLocal';
      throw new Error('disk full');
    };
    await assert.rejects(network.move('a', { gatewayOnly: true }, beside), /disk full/);
    await network.repair();
    assert.deepEqual([executor.attached.at(-1)?.containerIface, executor.devices.at(-1)], ['eth0', '/n/a gw']);
    assert.deepEqual(network.endpoint('a'), before);
  });

  it('finishes a leg that was being made when the process ended', async () => {
    const { executor, network } = await started();
    const endpoint = await network.attach('a', { netns: '/n/a' });
    const other = await started();
    const half = { ...endpoint, containerIface: 'gw', replaces: 'eth0' };
    assert.deepEqual(await other.network.restore([half]), []);
    assert.deepEqual([other.executor.attached.at(-1)?.containerIface, other.executor.devices], ['gw', ['/n/a eth0']]);
    assert.equal(other.network.endpoint('a')?.replaces, undefined);
    const third = await started();
    await third.network.restore([{ ...endpoint, replaces: '' }]);
    assert.deepEqual([third.executor.attached.length, third.executor.devices], [1, []]);
    assert.equal(executor.devices.length, 0);
  });

  it('lets a container go that stays in its namespace, and takes it back', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    await network.publish('a', [http]);
    await network.leave('a');
    assert.deepEqual([network.endpoint('a'), executor.devices, executor.detached], [undefined, ['/n/a eth0'], []]);
    assert.match(executor.documents.at(-1) ?? '', /delete element .* published/);
    const again = await network.attach('a', { netns: '/n/a', iface: 'eth2' });
    assert.equal(again.containerIface, 'eth2');
  });

  it('forwards what comes to IPv6 addresses, and translates what comes to those of IPv4', async () => {
    const { executor, network, sets } = await startedOnBoth();
    await network.attach('a', { netns: '/n/a' });
    const ports = await network.publish('a', [http]);
    assert.deepEqual(
      ports.map((p) => p.hostIp),
      ['', '::'],
    );
    assert.deepEqual(sets.at(-1), ['tcp [::]:8080 172.30.0.2:80']);
    assert.match(executor.documents.at(-1) ?? '', /published \{ tcp \. 8080 : 172\.30\.0\.2 \. 80 \}/);
    await network.repair();
    assert.deepEqual(sets.at(-1), ['tcp [::]:8080 172.30.0.2:80']);
    const [endpoint] = [network.endpoint('a')];
    assert.ok(endpoint);
    const restarted = await startedOnBoth();
    await restarted.network.restore([endpoint]);
    assert.deepEqual(restarted.sets.at(-1), ['tcp [::]:8080 172.30.0.2:80']);
    await network.detach('a');
    assert.deepEqual(sets.at(-1), []);
  });

  it('tells of the ports of one container alone, however many there are', async () => {
    const { network, sets, sizes } = await startedOnBoth();
    for (let i = 0; i < 50; i++) {
      await network.attach(`c${i}`, { netns: `/n/${i}` });
      await network.publish(`c${i}`, [{ ...http, publishedPort: 9000 + i }]);
    }
    await network.unpublish('c7');
    assert.deepEqual(new Set(sizes.slice(1)), new Set([1]));
    assert.equal(sets.at(-1)?.length, 49);
    await network.repair();
    assert.equal(sets.at(-1)?.length, 49);
  });

  it('publishes nothing of a request with an IPv6 port that cannot be had', async () => {
    const { network, sets, says } = await startedOnBoth();
    await network.attach('a', { netns: '/n/a' });
    says.failed = { 'tcp [::]:8080 172.30.0.2:80': 'listen EADDRINUSE' };
    await assert.rejects(
      network.publish('a', [http]),
      (e) => isSwarmtsError(e, 'port-conflict') && /\[::\]:8080\/tcp: listen EADDRINUSE/.test(e.message),
    );
    assert.deepEqual([sets.at(-1), network.endpoint('a')?.ports], [[], []]);
    says.failed = {};
    assert.equal((await network.publish('a', [http])).length, 2);
  });

  it('goes on while nobody forwards, and sees to it later', async () => {
    const { network, sets, says } = await startedOnBoth();
    await network.attach('a', { netns: '/n/a' });
    says.silent = true;
    assert.equal((await network.publish('a', [http])).length, 2);
    says.silent = false;
    await network.repair();
    assert.deepEqual(sets.at(-1), ['tcp [::]:8080 172.30.0.2:80']);
  });

  it('attaches without touching the rules', async () => {
    const { executor, network } = await started();
    const endpoint = await network.attach('a'.repeat(64), {
      netns: '/run/n/a',
      sysctls: { 'net.core.somaxconn': '9' },
    });
    assert.equal(endpoint.address, '172.30.0.2');
    assert.equal(endpoint.hostIface, 'swlaaaaaaaaaaaa');
    assert.deepEqual(executor.documents, []);
    assert.deepEqual(executor.attached[0]?.sysctls, { 'net.core.somaxconn': '9' });
    assert.equal(executor.attached[0]?.gateway, '172.30.0.1');
  });

  it('is the same endpoint when a container is attached again', async () => {
    const { network } = await started();
    const first = await network.attach('a', { netns: '/n/a' });
    assert.deepEqual(await network.attach('a', { netns: '/n/a' }), first);
    await assert.rejects(network.attach('a', { netns: '/n/other' }), (e) => isSwarmtsError(e, 'conflict'));
  });

  it('frees the address of an attachment that failed', async () => {
    const { executor, network } = await started();
    executor.failNext = 'attachLocal';
    await assert.rejects(network.attach('a', { netns: '/n/a' }), /attachLocal failed/);
    assert.equal(network.endpoint('a'), undefined);
    const small = new LocalNetwork(executor, { subnet: '10.0.0.0/30', probe: () => Promise.resolve(true) });
    executor.failNext = 'attachLocal';
    await assert.rejects(small.attach('a', { netns: '/n/a' }));
    await small.attach('b', { netns: '/n/b' });
    await assert.rejects(small.attach('c', { netns: '/n/c' }), (e) => isSwarmtsError(e, 'resource-exhausted'));
  });

  it('publishes with one small transaction, however many containers there are', async () => {
    const { executor, network } = await started();
    for (let i = 0; i < 50; i++) {
      await network.attach(`c${i}`, { netns: `/n/${i}` });
      await network.publish(`c${i}`, [{ ...http, publishedPort: 9000 + i }]);
    }
    assert.equal(executor.documents.length, 50);
    assert.equal(
      executor.documents[49],
      'add element inet swarmts published { tcp . 9049 : 172.30.0.51 . 80 }\n' +
        'add element inet swarmts self { 172.30.0.51 . 172.30.0.51 }\n',
    );
  });

  it('opens the ports of linked containers to the one that is linked, until it is gone', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    const port = (address: string) => ({ address, protocol: 'tcp' as const, port: 80 });
    await network.link('a', [port('172.30.0.9')]);
    await network.link('a', [port('172.30.0.9')]);
    await network.link('a', [port('172.30.0.8')]);
    await network.detach('a');
    const element = (verb: string, address: string) =>
      `${verb} element inet swarmts linked { 172.30.0.2 . ${address} . tcp . 80 }\n`;
    assert.deepEqual(executor.documents, [
      element('add', '172.30.0.9'),
      element('delete', '172.30.0.9') + element('add', '172.30.0.8'),
      element('delete', '172.30.0.8'),
    ]);
  });

  it('adds only what is new, and withdraws all', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    await network.publish('a', [http]);
    await network.publish('a', [{ protocol: 'udp', hostIp: '192.0.2.1', publishedPort: 53, targetPort: 53 }]);
    assert.equal(
      executor.documents[1],
      'add element inet swarmts published_on { 192.0.2.1 . udp . 53 : 172.30.0.2 . 53 }\n',
    );
    assert.deepEqual(executor.flushed, [{ protocol: 'udp', destinationPort: 53 }]);
    await network.detach('a');
    assert.equal(
      executor.documents[2],
      'delete element inet swarmts published { tcp . 8080 }\n' +
        'delete element inet swarmts published_on { 192.0.2.1 . udp . 53 }\n' +
        'delete element inet swarmts self { 172.30.0.2 . 172.30.0.2 }\n',
    );
    assert.deepEqual(executor.flushed[1], { backend: '172.30.0.2' });
    assert.deepEqual(executor.detached, ['/n/a']);
    assert.equal(network.endpoint('a'), undefined);
    await network.detach('a');
  });

  it('publishes where somebody has just flushed the rules', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    executor.listings.set('list table inet swarmts', 'table inet swarmts {\n}\n');
    executor.failNext = 'nft';
    assert.equal((await network.publish('a', [http])).length, 1);
    assert.match(executor.documents.at(-1) ?? '', /add chain inet swarmts forward[\s\S]*published \{ tcp \. 8080/);
  });

  it('gives ports back when the kernel refuses them', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    executor.failNext = 'nft';
    await assert.rejects(network.publish('a', [http]), /nft failed/);
    assert.deepEqual(network.endpoint('a')?.ports, []);
    assert.equal((await network.publish('a', [http])).length, 1);
  });

  it('keeps ports that could not be withdrawn, and withdraws them at the next attempt', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    await network.publish('a', [http]);
    Object.assign(executor, { failNext: 'nft', failTimes: 3 });
    await assert.rejects(network.unpublish('a'), /nft failed/);
    assert.equal(network.endpoint('a')?.ports.length, 1);
    await network.attach('b', { netns: '/n/b' });
    await assert.rejects(network.publish('b', [http]), (e) => isSwarmtsError(e, 'port-conflict'));
    await network.unpublish('a');
    assert.equal((await network.publish('b', [http])).length, 1);
  });

  it('keeps ports that were refused and could not be withdrawn, until their container goes', async () => {
    const { executor, network, says } = await startedOnBoth();
    for (const id of ['a', 'b']) await network.attach(id, { netns: `/n/${id}` });
    const forward = { protocol: 'tcp', hostIp: '::', port: 8080, address: '172.30.0.2', targetPort: 80 } as const;
    says.failed = { [forwardKey(forward)]: 'EADDRINUSE' };
    says.onTold = () => Object.assign(executor, { failNext: 'nft', failTimes: 3 });
    await assert.rejects(network.publish('a', [http]), /nft failed/);
    says.failed = {};
    says.onTold = () => undefined;
    await assert.rejects(network.publish('b', [http]), (e) => isSwarmtsError(e, 'port-conflict'));
    await network.detach('a');
    assert.equal((await network.publish('b', [http])).length, 2);
  });

  it('keeps the address of a container whose namespace could not be dropped', async () => {
    const { executor, network } = await started();
    await network.attach('a', { netns: '/n/a' });
    executor.failNext = 'detachLocal';
    await assert.rejects(network.detach('a'), /detachLocal failed/);
    assert.notEqual((await network.attach('b', { netns: '/n/b' })).address, '172.30.0.2');
    await network.detach('a');
  });

  it('refuses to publish for a stranger', async () => {
    const { network } = await started();
    await assert.rejects(network.publish('x', [http]), (e) => isSwarmtsError(e, 'not-found'));
  });

  it('knows addresses and ports again after a restart, and names endpoints that do not fit', async () => {
    const { network } = await started();
    const kept = await network.attach('a', { netns: '/n/a' });
    await network.publish('a', [http]);
    const endpoint = network.endpoint('a');
    assert.ok(endpoint);

    const executor = new RecordingExecutor();
    const restarted = new LocalNetwork(executor, { probe: () => Promise.resolve(true) });
    const stranger = { ...endpoint, containerId: 'z', address: '10.9.9.9', ports: [] };
    const double = { ...endpoint, containerId: 'y', address: '172.30.0.9' };
    const rejected = await restarted.restore([JSON.parse(JSON.stringify(endpoint)), stranger, double]);
    assert.deepEqual(
      rejected.map((r) => [r.endpoint.containerId, r.error.code]),
      [
        ['z', 'invalid-argument'],
        ['y', 'port-conflict'],
      ],
    );
    assert.match(executor.documents[0] ?? '', /published \{ tcp \. 8080 : 172\.30\.0\.2 \. 80 \}/);
    assert.deepEqual(restarted.endpoint('a'), endpoint);
    await restarted.attach('b', { netns: '/n/b' });
    assert.notEqual(restarted.endpoint('b')?.address, kept.address);
    await assert.rejects(restarted.publish('b', [http]), (e) => isSwarmtsError(e, 'port-conflict'));
    assert.equal((await restarted.attach('y', { netns: '/n/y' })).ports.length, 0);
  });

  it('gives legs back that are gone, to containers that are not', async () => {
    const { executor, network } = await started();
    const { repaired } = executor;
    const [a] = [await network.attach('a', { netns: '/n/a' }), await network.attach('b', { netns: '/n/b' })];
    executor.listings.set('list table inet swarmts', '');
    await network.repair();
    assert.deepEqual(repaired, []);
    executor.lost.add(a.address);
    assert.equal(await network.repair(), true);
    assert.equal(await network.repair(), false);
    assert.deepEqual(repaired, [a.address]);
    executor.attached.length = 0;
    assert.equal(await network.repair(), false, 'their namespaces are gone');
    assert.deepEqual(repaired, [a.address]);
  });

  it('names legs after containers, within fifteen bytes', () => {
    assert.equal(hostIfaceOf('swl', '0123456789abcdef0123'), 'swl0123456789ab');
    const hashed = hostIfaceOf('swl', 'not-hexadecimal');
    assert.match(hashed, /^swl[0-9a-f]{12}$/);
    assert.notEqual(hashed, hostIfaceOf('swl', 'not-hexadecimal-either'));
  });
});
