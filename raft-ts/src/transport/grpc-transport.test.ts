// Members that talk over gRPC with mutual TLS, in one process; a relay in between breaks connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RaftNodeOptions, StateMachine } from '../driver/options.js';
import { RaftNode } from '../driver/raft-node.js';
import { type CommittedEntry, NO_DATA } from '../types.js';
import { GrpcTransport, type GrpcTransportOptions } from './grpc-transport.js';
import { memberOf, TestAuthority } from './test-authority.js';

/** Counts entries; its snapshot is as large as it is told to be. */
class Counter implements StateMachine {
  applied = 0;
  bytes = 0;
  restored = 0;
  readonly #paddingBytes: number;

  constructor(paddingBytes: number) {
    this.#paddingBytes = paddingBytes;
  }
  apply(entries: readonly CommittedEntry[]): void {
    this.applied += entries.length;
    for (const { data } of entries) this.bytes += data.length;
  }
  snapshot(): Uint8Array {
    const state = Buffer.alloc(16 + this.#paddingBytes, 7);
    state.writeDoubleLE(this.applied, 0);
    state.writeDoubleLE(this.bytes, 8);
    return state;
  }
  restore(data: Uint8Array): void {
    const state = Buffer.from(data);
    assert.ok(state.subarray(16).every((byte) => byte === 7));
    this.applied = state.readDoubleLE(0);
    this.bytes = state.readDoubleLE(8);
    this.restored += 1;
  }
}

interface Member {
  readonly node: RaftNode;
  readonly counter: Counter;
  readonly transport: GrpcTransport;
}

class Group {
  readonly authority = new TestAuthority();
  readonly directory: string;
  readonly addresses = new Map<number, string>();
  readonly members = new Map<number, Member>();
  #waiting: (() => void)[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  async open(
    id: number,
    node: Partial<RaftNodeOptions> = {},
    transportOptions: Partial<GrpcTransportOptions> = {},
    paddingBytes = 0,
  ): Promise<Member> {
    const transport = new GrpcTransport({
      tls: this.authority.issue(id),
      addressOf: (to) => this.addresses.get(to),
      memberOf,
      ...transportOptions,
    });
    const port = await transport.listen('127.0.0.1:0');
    this.addresses.set(id, `127.0.0.1:${port}`);
    const counter = new Counter(paddingBytes);
    const opened = await RaftNode.open({
      id,
      dir: join(this.directory, `${id}`),
      transport,
      stateMachine: counter,
      tickMs: 20,
      onFatal: (error) => {
        throw error;
      },
      onLeaderChange: () => {
        for (const wake of this.#waiting.splice(0)) wake();
      },
      ...node,
    });
    transport.attach(opened);
    opened.start();
    const member = { node: opened, counter, transport };
    this.members.set(id, member);
    return member;
  }

  /** A member that leads and has proposed something successfully. */
  async leader(): Promise<Member> {
    for (;;) {
      const leader = [...this.members.values()].find(({ node }) => node.status().role === 'leader');
      if (leader !== undefined) return leader;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  async close(id: number): Promise<void> {
    const member = this.members.get(id);
    this.members.delete(id);
    await member?.transport.close();
    await member?.node.stop();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.members.keys()].map(async (id) => await this.close(id)));
    this.authority.remove();
  }
}

/** Waits for something that takes real time; the test's own timeout is the bound. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Passes bytes on to a port, and breaks every connection once it has carried so many. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  breaks = 0;

  constructor(target: () => string, limitBytes: number, maxBreaks: number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const [host, port] = target().split(':');
      const upstream = connect({ port: Number(port), host: host ?? '', noDelay: true });
      let bytes = 0;
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      upstream.pipe(client);
      client.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > limitBytes && this.breaks < maxBreaks) {
          this.breaks += 1;
          client.destroy();
          return;
        }
        if (!upstream.write(chunk)) {
          client.pause();
          upstream.once('drain', () => client.resume());
        }
      });
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    assert.ok(address !== null && typeof address === 'object');
    return `127.0.0.1:${address.port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('members over gRPC with mutual TLS', () => {
  let group: Group;

  beforeEach(async () => {
    group = new Group(await mkdtemp(join(tmpdir(), 'raft-grpc-')));
  });

  afterEach(async () => {
    await group.closeAll();
    await rm(group.directory, { recursive: true });
  });

  it('elect a leader, commit, read, and go on when one is gone and comes back', async () => {
    const bootstrapPeers = [1, 2, 3];
    for (const id of bootstrapPeers) await group.open(id, { bootstrapPeers });
    const leader = await group.leader();
    await Promise.all(Array.from({ length: 500 }, async () => await leader.node.propose(Buffer.alloc(100))));
    const other = [...group.members.values()].find((member) => member !== leader);
    assert.ok(other);
    await other.node.readIndex();
    assert.equal(other.counter.applied, 500);
    const lost = other.node.id;
    await group.close(lost);
    await leader.node.propose(Buffer.from('x'));
    const back = await group.open(lost);
    await until(() => back.counter.applied === 501);
  });

  it('refuse a stranger, a certificate of another authority, and who speaks in another name', async () => {
    const bootstrapPeers = [1, 2];
    await group.open(1, { bootstrapPeers });
    const stranger = new TestAuthority();
    try {
      // It has a certificate, from somebody else: the connection does not come about.
      await group.open(2, { bootstrapPeers }, { tls: stranger.issue(2) });
      const heard = (id: number): boolean => (group.members.get(id)?.node.status().leader ?? 0) !== 0;
      await until(() => (group.members.get(1)?.node.status().term ?? 0) > 0);
      await group.close(2);
      // Its certificate is another member's: what it says is refused.
      await group.open(2, {}, { tls: group.authority.issue(9) });
      const deaf = group.members.get(2);
      assert.ok(deaf);
      const before = deaf.node.metrics().messagesReceived;
      await until(() => deaf.node.metrics().messagesReceived > before + 3);
      assert.equal(group.members.get(1)?.node.metrics().messagesReceived, 0);
      assert.ok(!heard(1) && !heard(2));
      await group.close(2);
      await group.open(2);
      await until(() => heard(1) && heard(2));
    } finally {
      stranger.remove();
    }
  });

  it('go on with a snapshot where a broken connection left off', async () => {
    const paddingBytes = 24 * 1024 * 1024;
    const leader = await group.open(
      1,
      { bootstrapPeers: [1], snapshotEntries: 50, trailingEntries: 5 },
      { addressOf: (to) => (to === 2 ? relayAddress : group.addresses.get(to)) },
      paddingBytes,
    );
    let relayAddress = '';
    const relay = new Relay(() => group.addresses.get(2) ?? '', 8 * 1024 * 1024, 3);
    try {
      relayAddress = await relay.listen();
      await until(() => leader.node.status().role === 'leader');
      for (let count = 1; count <= 60; count += 1) await leader.node.propose(Buffer.from(`${count}`));
      await until(() => leader.node.metrics().snapshotsTaken > 0);
      // The log begins at the snapshot before this one is in it.
      await leader.node.propose(Buffer.from('61'));
      const joiner = await group.open(2, {}, {}, paddingBytes);
      await leader.node.proposeConfChange({ type: 'add-learner', id: 2, context: NO_DATA });
      await until(() => joiner.counter.applied === 61);
      assert.equal(joiner.counter.restored, 1);
      assert.equal(relay.breaks, 3, 'three connections were broken on the way');
      assert.equal(joiner.node.metrics().snapshotsReceived, 1);
      await until(() => leader.node.metrics().snapshotsSent === 1);
      await joiner.node.readIndex();
    } finally {
      relay.close();
    }
  });

  it('bring one that is 100,000 entries behind up without a change of the leader', async () => {
    const bootstrapPeers = [1, 2, 3];
    const options = { bootstrapPeers, snapshotEntries: 1_000_000, maxUncommittedBytes: 2 ** 30 };
    for (const id of bootstrapPeers) await group.open(id, options);
    const leader = await group.leader();
    const lost = leader.node.id === 3 ? 2 : 3;
    await leader.node.propose(Buffer.from('x'));
    await group.close(lost);
    const { term } = leader.node.status();
    for (let batch = 0; batch < 25; batch += 1) {
      await Promise.all(Array.from({ length: 4000 }, async () => await leader.node.propose(Buffer.alloc(256))));
    }
    const back = await group.open(lost, options);
    await until(() => back.counter.applied === 100_001);
    assert.equal(leader.node.status().role, 'leader');
    assert.equal(leader.node.status().term, term);
  });
});
