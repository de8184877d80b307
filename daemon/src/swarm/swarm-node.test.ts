/** Nodes in one process, with their files on disk and real connections between them; without containers. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { InitRequest } from '@swarmts/api';
import { isSwarmtsError, SwarmtsError, silentLogger, sleep, systemClock } from '@swarmts/lib';
import { freePort } from '@swarmts/lib/testing';
import { CredentialStore, renewCertificate } from '@swarmts/manager';
import type { RoutedNetworks } from '@swarmts/netplugins';
import { NodeAvailability, NodeDescription, NodeRole } from '@swarmts/proto';
import type { ContainerEngine, CsiPlugins } from '@swarmts/worker';
import { NodeStateFile } from './node-state.js';
import { SwarmNode } from './swarm-node.js';
import type { SwarmNodeOptions } from './swarm-node-options.js';

const WAIT_MS = 20_000;

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!isTrue()) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}`);
    await sleep(systemClock, 20);
  }
}

const noContainers = { list: () => [], onEvent: () => () => undefined } as unknown as ContainerEngine;
const noNetworks = {
  ...{ setNode: () => undefined, setKeyGeneration: () => undefined, apply: () => undefined, states: () => [] },
  ...{ inForce: async () => undefined, leave: async () => undefined },
} as unknown as RoutedNetworks;

/** A machine: what is on its disk stays when its daemon is started anew. */
class Machine {
  readonly #o: SwarmNodeOptions;
  readonly addr: string;
  node: SwarmNode;

  private constructor(options: SwarmNodeOptions, addr: string) {
    this.#o = options;
    this.addr = addr;
    this.node = new SwarmNode(options);
  }

  static async make(dir: string, hostname: string): Promise<Machine> {
    const options: SwarmNodeOptions = {
      ...{ dir: join(dir, hostname, 'swarm'), hostname, clock: systemClock, random: Math.random, log: silentLogger },
      ...{ engine: noContainers, networks: noNetworks, csiPlugins: {} as unknown as CsiPlugins },
      ...{ defaultAdvertiseAddr: '', leaseMs: 0, connectApi: () => new PassThrough() },
      timings: { transaction: () => undefined, snapshot: () => undefined },
      describe: () => NodeDescription.create({ hostname }),
      onFatal: (e) => assert.fail(e),
    };
    return new Machine(options, `127.0.0.1:${await freePort()}`);
  }

  get #addresses() {
    return { listenAddr: this.addr, advertiseAddr: this.addr, dataPathAddr: '' };
  }

  async init(change: Partial<InitRequest> = {}): Promise<void> {
    await this.node.init({
      ...{ ...this.#addresses, dataPathPort: 0, defaultAddrPools: [], subnetSize: 24, forceNewCluster: false },
      ...{ availability: NodeAvailability.ACTIVE, autoLock: false, forceRotate: 0, labels: {} },
      ...change,
    });
  }

  join(manager: Machine, role: NodeRole): Promise<void> {
    const tokens = manager.node.manager.store.view((tx) => tx.list('cluster')[0])?.rootCa?.joinTokens;
    const joinToken = (role === NodeRole.MANAGER ? tokens?.manager : tokens?.worker) ?? '';
    const request = { ...this.#addresses, remoteAddrs: [manager.addr], joinToken };
    return this.node.join({ ...request, availability: NodeAvailability.ACTIVE }, new AbortController().signal);
  }

  /** The daemon ends; `change` is made to what it leaves; it is started again. */
  async restart(change: (dir: string) => Promise<void> = async () => undefined): Promise<void> {
    await this.node.stop();
    await change(this.#o.dir);
    this.node = new SwarmNode(this.#o);
    await this.node.start();
  }
}

describe('a node of a swarm', () => {
  let dir: string;
  let machines: Machine[];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'swarmts-nodes-'));
    machines = [];
  });
  afterEach(async () => {
    await Promise.all(machines.map((m) => m.node.stop()));
    await rm(dir, { recursive: true, force: true });
  });

  async function machine(hostname: string): Promise<Machine> {
    const made = await Machine.make(dir, hostname);
    machines.push(made);
    return made;
  }

  async function withWorker(): Promise<readonly [Machine, Machine]> {
    const [first, second] = [await machine('first'), await machine('second')];
    await first.init();
    await second.join(first, NodeRole.WORKER);
    return [first, second];
  }

  const setRole = (at: Machine, nodeId: string, role: NodeRole) =>
    at.node.manager.store.update((tx) => {
      const node = tx.get('node', nodeId);
      if (node?.spec) tx.update('node', { ...node, spec: { ...node.spec, role } });
    });
  const votersAt = (at: Machine) => at.node.manager.raft.status.voters;

  it('becomes the manager that it is to be when its daemon ended right after it got the certificate', async () => {
    const [first, second] = await withWorker();
    const { nodeId } = second.node;
    await second.restart(async (swarm) => {
      await setRole(first, nodeId, NodeRole.MANAGER);
      const store = await CredentialStore.open(join(swarm, 'certificates'));
      assert.ok(store);
      const never = new AbortController().signal;
      await store.replace(await renewCertificate(first.addr, store.credentials, never));
      assert.equal(store.identity.role, NodeRole.MANAGER);
    });
    await until('both vote', () => second.node.isManager && votersAt(first).length === 2);
  });

  it('has no log of a manager when its daemon ended while it was demoted', async () => {
    const [first, second] = await withWorker();
    await setRole(first, second.node.nodeId, NodeRole.MANAGER);
    await until('both vote', () => second.node.isManager && votersAt(first).length === 2);
    await second.restart(async (swarm) => {
      const file = new NodeStateFile(swarm);
      const state = await file.load();
      assert.ok(state);
      await file.save({ ...state, raftId: 0, joinAddr: '' });
    });
    const store = await CredentialStore.open(join(dir, 'second', 'swarm', 'certificates'));
    assert.deepEqual(store?.dataKeys, []);
  });

  it('keeps its place in Raft when the managers take it in and it is not told', async () => {
    const [first, second] = [await machine('first'), await machine('second')];
    await first.init();
    const { raft } = first.node.manager;
    const takeIn = raft.addLearner.bind(raft);
    const asked: number[] = [];
    raft.addLearner = async (member) => {
      asked.push(member.raftId);
      await takeIn(member);
      if (asked.length === 1) throw new SwarmtsError('unavailable', 'the connection was lost');
    };
    await second.join(first, NodeRole.MANAGER);
    await until('both vote', () => votersAt(first).length === 2);
    assert.equal(new Set(asked).size, 1);
    assert.deepEqual(new Set(votersAt(first)), new Set([raft.status.id, asked[0]]));
    assert.ok(second.node.isManager);
  });

  it('stops without waiting for managers that do not answer', async () => {
    const [first, second] = [await machine('one'), await machine('two')];
    await first.init();
    await second.join(first, NodeRole.MANAGER);
    let asked = false;
    const silent = createServer(() => {
      asked = true;
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const addr = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    const started = second.restart(async (folder) => {
      const file = new NodeStateFile(folder);
      const state = await file.load();
      if (state) await file.save({ ...state, joinAddr: addr, managers: [{ nodeId: '', addr }] });
    });
    await until('it asks', () => asked);
    let isStopped = false;
    void second.node.stop().then(() => {
      isStopped = true;
    });
    await sleep(systemClock, 3_000);
    assert.ok(isStopped);
    await started;
    silent.close();
  });

  it('is refused for as long as the managers refuse it', async () => {
    const [first, second] = await withWorker();
    const refuse = (isRefused: boolean) =>
      first.node.manager.store.update((tx) => {
        const [cluster] = tx.list('cluster');
        const blacklist = isRefused ? { [second.node.nodeId]: { expiresAtMs: Date.now() + WAIT_MS } } : {};
        if (cluster) tx.update('cluster', { ...cluster, blacklist });
      });
    await second.restart(() => refuse(true));
    await until('it knows', () => /was removed from the swarm/.test(second.node.error));
    await refuse(false);
    await until('it is back', () => second.node.connected);
    assert.equal(second.node.error, '');
  });

  it('leaves nothing behind when the managers refuse it', async () => {
    const [first, second] = [await machine('first'), await machine('second')];
    await first.init();
    const { raft } = first.node.manager;
    raft.addLearner = async () => {
      throw new SwarmtsError('permission-denied', 'not this one');
    };
    await assert.rejects(second.join(first, NodeRole.MANAGER), (e) => isSwarmtsError(e, 'permission-denied'));
    assert.equal(second.node.state, undefined);
    assert.equal(second.node.isManager, false);
  });

  it('goes on as what it was when it cannot be made the only manager', async () => {
    const first = await machine('first');
    await first.init();
    const taken = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    try {
      await assert.rejects(first.init({ forceNewCluster: true, listenAddr: `127.0.0.1:${port}` }), /could not listen/);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
    await until('it leads again', () => first.node.isManager && first.node.manager.isLeader && first.node.connected);
    assert.equal(first.node.state?.listenAddr, first.addr);
  });

  it('forgets the other managers when its daemon ends at whatever moment while it becomes the only one', async () => {
    const [first, second] = await withWorker();
    await setRole(first, second.node.nodeId, NodeRole.MANAGER);
    await until('both vote', () => second.node.isManager && votersAt(first).length === 2);
    const { nodeId } = second.node;
    await second.node.stop();
    const { save } = NodeStateFile.prototype;
    const ended: string[] = [];
    const copy = async () => {
      if (first.node.isManager) return;
      ended.push(`ended${ended.length}`);
      await cp(join(dir, 'first'), join(dir, ended.at(-1) ?? ''), { recursive: true });
    };
    NodeStateFile.prototype.save = async function (state) {
      await copy();
      await save.call(this, state);
      await copy();
    };
    try {
      await first.init({ forceNewCluster: true });
    } finally {
      NodeStateFile.prototype.save = save;
    }
    await first.node.stop();
    let alone = 0;
    for (const hostname of ended) {
      const again = await machine(hostname);
      await again.node.start();
      if (votersAt(again).length === 1) {
        await until('it leads', () => again.node.manager.isLeader);
        const [cluster] = again.node.manager.store.view((tx) => tx.list('cluster'));
        assert.equal(again.node.manager.store.get('node', nodeId)?.managerStatus, undefined);
        assert.equal(cluster?.removedRaftIds.length, 1);
        assert.equal(again.node.state?.takeOver, false);
        alone++;
      }
      await again.node.stop();
    }
    assert.ok(alone > 0);
  });

  it('forgets the other managers once when it goes on alone', async () => {
    const [first, second] = await withWorker();
    await first.init({ forceNewCluster: true });
    await setRole(first, second.node.nodeId, NodeRole.MANAGER);
    await until('both vote', () => second.node.isManager && votersAt(first).length === 2);
    await first.node.manager.raft.handOver();
    await until('the other leads', () => second.node.manager.isLeader);
    await second.node.manager.raft.handOver();
    await until('the first leads again', () => first.node.manager.isLeader);
    assert.equal(first.node.manager.store.get('node', second.node.nodeId)?.spec?.role, NodeRole.MANAGER);
  });
});
