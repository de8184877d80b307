/** Three managers in one process, with their logs on disk and real connections between them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, SwarmtsError, silentLogger, sleep, systemClock } from '@swarmts/lib';
import { freePort } from '@swarmts/lib/testing';
import {
  Cluster,
  ClusterSpec,
  ConfigSpec,
  Node,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  RaftConfig,
  RootCa,
} from '@swarmts/proto';
import type { Disk } from 'raft-ts';
import { MemoryDisk } from 'raft-ts/sim';
import { createRequest, createRootCa, type KeyAndCert, signNodeCertificate } from './ca/certificates.js';
import { Credentials } from './ca/credentials.js';
import { newJoinToken } from './ca/join-token.js';
import { Manager, type ManagerOptions } from './manager.js';
import { forceNewGroup } from './raft/raft-group.js';
import { noVolumePlugins } from './volumes/volume-plugins.js';

const WAIT_MS = 20_000;

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isTrue())) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}`);
    await sleep(systemClock, 20);
  }
}

class Group {
  readonly #dir: string;
  readonly #root: KeyAndCert;
  readonly managers: Manager[] = [];
  readonly dirs: string[] = [];
  readonly #options: ManagerOptions[] = [];

  private constructor(dir: string, root: KeyAndCert) {
    this.#dir = dir;
    this.#root = root;
  }

  static async start(count: number, disks: readonly Disk[] = []): Promise<Group> {
    const group = new Group(await mkdtemp(join(tmpdir(), 'swarmts-managers-')), await createRootCa(Date.now()));
    for (let i = 1; i <= count; i++) await group.add(i, disks[i - 1]);
    await until('all vote', () => group.managers.every((m) => m.raft.status.voters.length === count));
    return group;
  }

  async add(raftId: number, disk?: Disk): Promise<void> {
    const [first] = this.managers;
    const addr = `127.0.0.1:${await freePort()}`;
    const node = Node.create({
      id: `node${raftId}`,
      spec: NodeSpec.create({ role: NodeRole.MANAGER, annotations: { name: '', labels: {} } }),
      certificateRole: NodeRole.MANAGER,
      status: NodeStatus.create({ state: NodeState.UNKNOWN }),
      ...(first ? {} : { managerStatus: { raftId, addr, leader: false, reachability: 0 } }),
    });
    if (first) await (this.leader ?? first).store.update((tx) => tx.create('node', node));
    const dataKey = randomBytes(32);
    const dir = join(this.#dir, node.id);
    const options: ManagerOptions = {
      ...{ dir, raftId, listenAddr: addr, advertiseAddr: addr, clock: systemClock, random: Math.random },
      ...{ dataKeys: () => [dataKey], log: silentLogger, snapshotEntries: 10_000, volumePlugins: noVolumePlugins },
      credentials: await this.#credentials(node.id),
      onFatal: (e) => assert.fail(e),
      ...(disk ? { disk } : {}),
      onRemoved: () => undefined,
      onExpelled: () => undefined,
      ...(first
        ? { joinAddrs: [first.raft.book.get(1)?.addr ?? ''] }
        : { bootstrap: { cluster: this.#cluster(), node } }),
    };
    const manager = await Manager.start(options);
    this.managers.push(manager);
    this.dirs.push(dir);
    this.#options.push(options);
    if (!first) await until('the first manager leads', () => manager.isLeader);
  }

  /** Starts one that was stopped, with what it has on disk. */
  async restart(at: number, changes: Partial<ManagerOptions> = {}): Promise<Manager> {
    const { joinAddrs: _joined, bootstrap: _begun, ...options } = this.#options[at] ?? assert.fail(`no manager ${at}`);
    const manager = await Manager.start({ ...options, ...changes });
    this.managers[at] = manager;
    return manager;
  }

  /** Makes one that is stopped the only member of its group. */
  async force(at: number): Promise<void> {
    const { dir, raftId, dataKeys } = this.#options[at] ?? assert.fail(`no manager ${at}`);
    await forceNewGroup(dir, raftId, dataKeys);
  }

  async #credentials(nodeId: string): Promise<Credentials> {
    const { keyPem, csrPem } = await createRequest();
    const order = { csrPem, nodeId, clusterId: 'c', role: NodeRole.MANAGER, validForMs: 3_600_000, nowMs: Date.now() };
    const rootPem = this.#root.certPem;
    return new Credentials({ keyPem, certPem: await signNodeCertificate(this.#root, order), rootPem });
  }

  #cluster(): Cluster {
    const { certPem, keyPem } = this.#root;
    const joinTokens = { worker: newJoinToken(certPem), manager: newJoinToken(certPem) };
    return Cluster.create({
      id: 'c',
      spec: ClusterSpec.create({ annotations: { name: 'default', labels: {} }, raft: RaftConfig.create({}) }),
      rootCa: RootCa.create({ certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem), joinTokens }),
      defaultAddressPools: ['10.0.0.0/8'],
      subnetSize: 24,
    });
  }

  get leader(): Manager | undefined {
    return this.managers.find((m) => m.isLeader);
  }

  async stop(): Promise<void> {
    await Promise.all(this.managers.map((m) => m.stop()));
    await rm(this.#dir, { recursive: true, force: true });
  }
}

describe('three managers', () => {
  let group: Group;
  before(async () => {
    group = await Group.start(3);
  });
  after(() => group.stop());

  it('make every change once while the leader changes, and tell truly whether it was made', async () => {
    const made = new Set<string>();
    const unknown = new Set<string>();
    let busy = true;
    const create = async (manager: Manager, who: number) => {
      for (let i = 0; busy; i++) {
        const name = `c${who}-${i}`;
        const spec = ConfigSpec.create({ annotations: { name, labels: {} }, data: Buffer.from(name) });
        try {
          await manager.call('createConfig', { spec });
          made.add(name);
        } catch (e) {
          assert.ok(isSwarmtsError(e, 'aborted', 'no-leader', 'unavailable'), `${name}: ${e}`);
          unknown.add(name);
        }
      }
    };
    const users = group.managers.flatMap((m, i) => [create(m, i), create(m, i + 10)]);
    for (let change = 1; change <= 6; change++) {
      await until('changes are made', () => made.size >= change * 10 && group.leader !== undefined);
      const before = group.leader;
      await before?.raft.handOver();
      await until('another one leads', () => group.leader !== undefined && group.leader !== before);
    }
    busy = false;
    await Promise.all(users);
    const { managers } = group;
    await until('all know the same', () => new Set(managers.map((m) => m.store.version)).size === 1);
    const names = managers[0]?.store.view((tx) => tx.list('config')).map((c) => c.spec?.annotations?.name ?? '') ?? [];
    assert.equal(new Set(names).size, names.length, 'none was made twice');
    assert.deepEqual(
      [...made].filter((n) => !names.includes(n)),
      [],
      'what was said to be made is there',
    );
    assert.deepEqual(
      names.filter((n) => !made.has(n) && !unknown.has(n)),
      [],
      'what is there was said to be made',
    );
    assert.ok(made.size > 5 * unknown.size, `${made.size} were made, of ${unknown.size} it is not known`);
  });

  it('make and keep snapshots as the cluster is set, also those that did not make it', async () => {
    const leader = group.leader;
    assert.ok(leader);
    await leader.store.update((tx) => {
      const [cluster] = tx.list('cluster');
      const raft = RaftConfig.create({ snapshotInterval: 10, keepOldSnapshots: 2, logEntriesForSlowFollowers: 5 });
      if (cluster?.spec) tx.update('cluster', { ...cluster, spec: { ...cluster.spec, raft } });
    });
    const files = (dir: string) => readdir(join(dir, 'raft', 'snap'));
    for (let i = 0; i < 100; i++) {
      await leader.store.update((tx) => {
        const node = tx.get('node', 'node1');
        if (node) tx.update('node', { ...node, certificateExpiresAtMs: i + 1 });
      });
      if (i % 20 === 0) await sleep(systemClock, 50);
    }
    for (const dir of group.dirs)
      await until(`three snapshots are in ${dir}`, async () => {
        const names = await files(dir).catch(() => []);
        return names.filter((n) => n.endsWith('.snap')).length === 3;
      });
  });

  it('ask the next leader when the one that was asked is silent', async () => {
    const { leader } = group;
    const [asked] = group.managers.filter((m) => m !== leader);
    assert.ok(leader && asked);
    const { raft } = leader;
    const answers = raft.readBarrier.bind(raft);
    let isAsked = false;
    raft.readBarrier = () => {
      isAsked = true;
      return new Promise(() => undefined);
    };
    const startMs = Date.now();
    const nodes = asked.call('listNodes', {});
    await until('the leader is asked', () => isAsked);
    await raft.handOver();
    assert.equal((await nodes).length, 3);
    assert.ok(Date.now() - startMs < 10_000, 'nobody waited for the one that is silent');
    raft.readBarrier = answers;
  });

  it('are led by one that is not confirmed at first', async () => {
    const { leader } = group;
    assert.ok(leader);
    const others = group.managers.filter((m) => m !== leader);
    const confirmed = others.map(({ raft }) => {
      const readBarrier = raft.readBarrier.bind(raft);
      let failures = 3;
      raft.readBarrier = async (signal) => {
        if (failures-- > 0) throw new SwarmtsError('no-leader', 'nobody has confirmed it in time');
        await readBarrier(signal);
      };
      return () => Object.assign(raft, { readBarrier });
    });
    await leader.raft.handOver();
    await until('another one leads', () => others.some((m) => m.isLeader));
    for (const restore of confirmed) restore();
  });

  it('do not keep one that is demoted while they take it in', async () => {
    const { leader } = group;
    assert.ok(leader);
    const { raft, store } = leader;
    const takeIn = raft.addLearner.bind(raft);
    raft.addLearner = async (member) => {
      await store.update((tx) => {
        const node = tx.get('node', member.nodeId);
        if (node) tx.update('node', { ...node, managerStatus: undefined });
      });
      await takeIn(member);
    };
    await assert.rejects(group.add(4), { code: 'conflict' });
    raft.addLearner = takeIn;
    assert.deepEqual([raft.status.voters.length, raft.status.learners], [3, []]);
  });

  it('make what was asked for once, and say so, when the leader that was asked dies', async () => {
    const [leader] = group.managers.filter((m) => m.isLeader);
    const [asked] = group.managers.filter((m) => m !== leader);
    assert.ok(leader && asked);
    const names: string[] = [];
    const unknown = new Set<string>();
    let busy = true;
    const work = (async () => {
      for (let i = 0; busy; i++) {
        const name = `after${i}`;
        const spec = ConfigSpec.create({ annotations: { name, labels: {} }, data: Buffer.from(name) });
        try {
          await asked.call('createConfig', { spec });
          if (i % 2 === 0) names.push(name);
          else await asked.call('removeConfig', { ref: name });
        } catch (e) {
          // An election may take longer than a request waits.
          assert.ok(isSwarmtsError(e, 'no-leader'), `${name}: ${e}`);
          unknown.add(name);
        }
      }
    })();
    await until('changes are made', () => names.length > 10);
    // No last words: the others find out by themselves.
    await leader.raft.stop();
    await leader.stop();
    const before = names.length;
    await until('changes go on', () => names.length > before + 10);
    busy = false;
    await work;
    const found = asked.store.view((tx) => tx.list('config').map((c) => c.spec?.annotations?.name ?? ''));
    const later = found.filter((n) => n.startsWith('after') && !unknown.has(n));
    assert.deepEqual(later.toSorted(), names.toSorted());
  });
});

describe('a leader whose disk is full', () => {
  let group: Group;
  const disks = [1, 2, 3].map(() => new MemoryDisk());
  before(async () => {
    group = await Group.start(3, disks);
  });
  after(() => group.stop());

  it('leaves the lead to one that may have room', async () => {
    const { leader } = group;
    assert.ok(leader);
    await until('the others are heard', () => leader.raft.status.voters.every((id) => leader.raft.isReachable(id)));
    const noRoom = Object.assign(new Error('no room'), { code: 'ENOSPC' });
    disks[group.managers.indexOf(leader)]?.failNext('write', noRoom);
    const spec = ConfigSpec.create({ annotations: { name: 'c', labels: {} }, data: Buffer.from('x') });
    await leader.call('createConfig', { spec });
    await until('another one leads', () => group.leader !== undefined && group.leader !== leader);
    assert.equal((await leader.call('listConfigs', {})).length, 1);
  });
});

describe('a manager that is stopped, or made the only one', () => {
  let group: Group;
  before(async () => {
    group = await Group.start(3);
  });
  after(() => group.stop());

  it('tells nobody that it is before it is', async () => {
    let isOver = false;
    const stopped = group.managers[2]?.stop().then(() => (isOver = true));
    await group.managers[2]?.stop();
    assert.ok(isOver);
    await stopped;
    await group.restart(2);
  });

  it('is not led by former managers that come back together, and tells them that they were taken out', async () => {
    await Promise.all(group.managers.map((m) => m.stop()));
    const out = new Map<number, Promise<void> | undefined>();
    const onExpelled = (at: number) => {
      if (!out.has(at)) out.set(at, group.managers[at]?.stop());
    };
    const comeBack = () => Promise.all([1, 2].map((at) => group.restart(at, { onExpelled: () => onExpelled(at) })));
    // They are a majority of the group that was, and may have a leader before the one that is left is there.
    await comeBack();
    // Their term is beyond that of the one that is left.
    for (let before: Manager | undefined, elections = 0; elections < 4; elections++) {
      await until('they have a leader', () => group.leader !== undefined && group.leader !== before);
      before = group.leader;
      await before?.raft.handOver();
    }
    await group.force(0);
    const alone = await group.restart(0, { takeOver: true });
    await until('it leads', () => alone.isLeader);
    await until('they know', () => out.size === 2);
    const spec = ConfigSpec.create({ annotations: { name: 'later', labels: {} }, data: Buffer.from('x') });
    await alone.call('createConfig', { spec });
    assert.ok(alone.isLeader);
    assert.deepEqual(alone.raft.status.voters, [1]);
    // Once more, when it starts with what it knows by then.
    await Promise.all(out.values());
    out.clear();
    await Promise.all(group.managers.map((m) => m.stop()));
    await comeBack();
    await until('they have a leader', () => group.leader !== undefined);
    const again = await group.restart(0);
    await until('it leads again', () => again.isLeader);
    await until('they know it again', () => out.size === 2);
    assert.equal((await again.call('listConfigs', {})).length, 1);
  });
});
