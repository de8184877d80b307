import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { SimulatedClock, silentLogger, sleep, systemClock } from '@swarmts/lib';
import { RaftMember } from '@swarmts/proto';
import { decodeMessage, type Message } from 'raft-ts';
import type { Credentials } from '../ca/credentials.js';
import type { Authoriser } from '../rpc/authorise.js';
import { RpcServer } from '../rpc/server.js';
import { MemberRemoved, PeerTransport } from './peer-transport.js';
import { serveMessages } from './serve-messages.js';

const WAIT_MS = 20_000;
const metadata = { index: 9, term: 1, confState: { voters: [1, 2], learners: [] } };
const snapshot = (sizeBytes: number): Message => ({
  ...{ type: 'snap', from: 1, to: 2, term: 1, snapshot: { metadata, data: Buffer.alloc(sizeBytes) } },
});
const heartbeat: Message = { type: 'heartbeat', from: 1, to: 2, term: 1, commit: 0, context: new Uint8Array(0) };

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!isTrue()) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}`);
    await sleep(systemClock, 10);
  }
}

describe('messages between managers', () => {
  let server: RpcServer;
  let transport: PeerTransport;
  let received: string[];
  let receive: (message: Message) => void;
  let lost: number;
  let sent: boolean[];
  let expelled: number;
  beforeEach(async () => {
    [received, lost, sent, expelled] = [[], 0, [], 0];
    receive = ({ type }) => received.push(type);
    const authoriser = { check: () => ({ nodeId: 'n1' }) } as unknown as Authoriser;
    server = new RpcServer({ authoriser, leaderAddr: () => '' });
    serveMessages(server, (bytes) => receive(decodeMessage(bytes)), silentLogger);
    const port = await server.listen('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
    const clock = new SimulatedClock();
    transport = new PeerTransport({
      credentials: {
        client: () => grpc.credentials.createInsecure(),
        onChange: () => () => undefined,
      } as unknown as Credentials,
      ...{ log: silentLogger, monotonic: () => clock.monotonic(), self: 1 },
      address: (raftId) => RaftMember.create({ raftId, nodeId: 'n2', addr: `127.0.0.1:${port}` }),
      onUnreachable: () => lost++,
      onSnapshotSent: (_, ok) => sent.push(ok),
      onExpelled: () => expelled++,
    });
  });
  afterEach(() => {
    transport.close();
    server.close();
  });

  it('go on beside a snapshot that is larger than what may wait for a peer', async () => {
    transport.send([heartbeat]);
    await until('the way is there', () => received.length === 1);
    transport.send([snapshot(80 * 1024 * 1024)]);
    transport.send([heartbeat]);
    assert.equal(lost, 0);
    await until('both are there', () => received.length === 3 && sent.length === 1);
    assert.deepEqual(received, ['heartbeat', 'heartbeat', 'snap'], 'a snapshot holds nothing up');
    assert.deepEqual([lost, sent], [0, [true]]);
  });

  it('say when a snapshot has not arrived', async () => {
    receive = () => {
      throw new Error('not now');
    };
    transport.send([snapshot(10)]);
    await until('it is told', () => sent.length > 0);
    assert.deepEqual(sent, [false]);
    server.close();
    transport.send([snapshot(10)]);
    await until('it is told again', () => sent.length > 1);
    assert.deepEqual(sent, [false, false]);
  });

  it('of a member that was removed tell it so', async () => {
    receive = ({ from }) => {
      throw new MemberRemoved(from);
    };
    transport.send([heartbeat]);
    await until('it knows', () => expelled === 1);
    receive = () => {
      throw new MemberRemoved(7);
    };
    const before = lost;
    transport.send([snapshot(10)]);
    await until('it is refused', () => lost > before);
    assert.equal(expelled, 1, 'another one was removed');
  });
});
