/** The name server in real namespaces. Needs root. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger, systemClock } from '@swarmts/lib';
import {
  bindUdp,
  connectTcp,
  createNetns,
  deleteNetns,
  loadNftLibrary,
  NetlinkSocket,
  setLink,
  withNetns,
} from 'vxlan-tools';
import { NAMESERVER } from './container-sockets.js';
import { Forwarder, framed } from './forwarder.js';
import { encodeQuery, RecordType } from './message.js';
import { NameServer } from './name-server.js';
import { DNS_PROTOCOL, type DnsContainer, type DnsUpdate } from './protocol.js';

const DNS_PORT = 53;
const NETWORK = {
  id: 'net1',
  name: 'back',
  subnets: ['10.1.0.0/24'],
  names: [['web', ['10.1.0.5']]] as const,
  removedNames: [],
  reverse: [],
  removedAddresses: [],
};

describe('the name server in the kernel', () => {
  let dir: string;
  let path: string;
  let server: NameServer;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-names-'));
    path = join(dir, 'c');
    newNamespace();
    server = new NameServer({
      forwarder: new Forwarder(systemClock),
      nft: loadNftLibrary(),
      hostServers: () => [],
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
    });
  });
  afterEach(() => {
    server.close();
    deleteNetns(path);
    rmSync(dir, { recursive: true });
  });

  function newNamespace(): void {
    createNetns(path, () => {
      const socket = new NetlinkSocket();
      socket.request(setLink({ index: 1 }, { up: true }));
      socket.close();
    });
  }

  const container = (more: Partial<DnsContainer> = {}): DnsContainer => ({
    id: 'c',
    netns: path,
    networkIds: ['net1'],
    servers: [],
    isInternal: false,
    ...more,
  });

  function tell(more: Partial<DnsUpdate>) {
    return server.apply({
      protocol: DNS_PROTOCOL,
      sequence: 1,
      reset: false,
      networks: [],
      removedNetworkIds: [],
      containers: [],
      removedContainerIds: [],
      ...more,
    });
  }

  /** The answer to whoever asks in the namespace. */
  async function ask(question: Buffer): Promise<Buffer> {
    const { fd } = withNetns(path, () => bindUdp('127.0.0.1', 0));
    const socket = createSocket('udp4');
    try {
      socket.bind({ fd });
      socket.send(question, DNS_PORT, NAMESERVER);
      const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(2_000) })) as [Buffer];
      return answer;
    } finally {
      socket.close();
    }
  }

  async function askOverTcp(question: Buffer): Promise<Buffer> {
    const socket = new Socket({ fd: withNetns(path, () => connectTcp(NAMESERVER, DNS_PORT)) });
    try {
      socket.write(framed(question));
      const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(2_000) })) as [Buffer];
      return answer.subarray(2);
    } finally {
      socket.destroy();
    }
  }

  const web = (id: number) => encodeQuery(id, 'web', RecordType.A);
  const code = (answer: Buffer) => answer.readUInt16BE(2) & 15;

  it('answers over UDP and TCP at port 53, of a container that was started again, too', async () => {
    assert.deepEqual(await tell({ reset: true, networks: [NETWORK], containers: [container()] }), { failed: {} });
    for (const how of [ask, askOverTcp]) assert.deepEqual([...(await how(web(1))).subarray(-4)], [10, 1, 0, 5]);
    deleteNetns(path);
    newNamespace();
    await tell({ containers: [container()] });
    for (const how of [ask, askOverTcp]) assert.deepEqual([...(await how(web(2))).subarray(-4)], [10, 1, 0, 5]);
  });

  it('says what is no question, and what it knows nothing of', async () => {
    await tell({ reset: true, networks: [NETWORK], containers: [container({ isInternal: true })] });
    const two = web(7);
    two.writeUInt16BE(2, 4);
    assert.deepEqual([code(await ask(two)), (await ask(two)).readUInt16BE(0)], [1, 7]);
    const chaos = web(8);
    chaos.writeUInt16BE(3, chaos.length - 2);
    assert.equal(code(await ask(chaos)), 4);
    assert.equal(code(await ask(encodeQuery(9, 'example.org', RecordType.A))), 3, 'nothing is asked outside');
    const later = encodeQuery(10, 'web', RecordType.A, 1232);
    later.writeUInt8(1, later.length - 5);
    const refused = await ask(later);
    assert.deepEqual([refused.readUInt16BE(6), refused[refused.length - 6]], [0, 1], 'a version of EDNS there is not');
  });

  it('asks the servers that the container has chosen from its namespace, over TCP as well, and never itself', async () => {
    const { fd } = withNetns(path, () => bindUdp('127.0.0.2', DNS_PORT));
    const upstream = createSocket('udp4');
    upstream.bind({ fd });
    upstream.on('message', (m, from) => {
      const answer = Buffer.from(m);
      answer.writeUInt16BE(0x8180, 2);
      upstream.send(answer, from.port, from.address);
    });
    try {
      await tell({ reset: true, networks: [], containers: [container({ servers: [NAMESERVER, '127.0.0.2'] })] });
      assert.equal(code(await ask(encodeQuery(3, 'example.org', RecordType.A))), 0);
      // Nobody listens there: that is heard at once, and told.
      assert.equal(code(await askOverTcp(encodeQuery(4, 'example.org', RecordType.A))), 2);
      await tell({ containers: [container({ servers: [NAMESERVER] })] });
      assert.equal(code(await ask(encodeQuery(5, 'example.org', RecordType.A))), 2, 'the host has none here');
    } finally {
      upstream.close();
    }
  });

  it('names a container whose namespace is gone', async () => {
    const { failed } = await tell({ reset: true, containers: [container({ netns: join(dir, 'gone') })] });
    assert.match(failed.c ?? '', /ENOENT/);
  });

  it('lets go of a container whose namespace is gone since', async () => {
    await tell({ reset: true, containers: [container()] });
    assert.equal(server.containers, 1);
    const { failed } = await tell({ reset: true, containers: [container({ netns: join(dir, 'gone') })] });
    assert.deepEqual([Object.keys(failed), server.containers], [['c'], 0]);
  });
});
