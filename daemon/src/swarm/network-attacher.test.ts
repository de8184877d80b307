import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import { type Credentials, NO_LEADER } from '@swarmts/manager';
import { AttachContainerResponse, NetworkAttacherService, NetworkAttachment } from '@swarmts/proto';
import { NetworkAttacher } from './network-attacher.js';

/** Only the side of credentials that a client uses, without TLS. */
const credentials = { client: () => grpc.credentials.createInsecure() } as unknown as Credentials;
const wish = { target: 'back', addresses: [], aliases: [] };
const container = { id: 'c1', name: 'one' };

describe('addresses for containers of a node', () => {
  const servers: grpc.Server[] = [];
  afterEach(() => {
    for (const s of servers.splice(0)) s.forceShutdown();
  });

  /** A manager that stops while it answers, or one that gives an address. */
  async function manager(
    isStopping: boolean,
  ): Promise<{ readonly nodeId: string; readonly addr: string; weight: number }> {
    const server = new grpc.Server();
    servers.push(server);
    const answer = AttachContainerResponse.create({ taskId: 't1', attachment: NetworkAttachment.create({}) });
    const attach: grpc.handleUnaryCall<unknown, unknown> = (_call, done) =>
      isStopping ? done({ code: grpc.status.CANCELLED, details: 'Cancelled on client' }) : done(null, answer);
    server.addService({ attach: NetworkAttacherService.attach }, { attach });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (e, p) => (e ? reject(e) : resolve(p)));
    });
    return { nodeId: `n${port}`, addr: `127.0.0.1:${port}`, weight: 1 };
  }

  it('come from the next manager when one stops while it is asked', async () => {
    const managers = [await manager(true), await manager(false)];
    const attacher = new NetworkAttacher({ credentials, knownManagers: () => managers }, silentLogger);
    assert.equal((await attacher.obtain(wish, container)).endpointId, 't1');
  });

  it('need a leader, when all managers stop', async () => {
    const managers = [await manager(true)];
    const attacher = new NetworkAttacher({ credentials, knownManagers: () => managers }, silentLogger);
    await assert.rejects(
      attacher.obtain(wish, container),
      (e) => isSwarmtsError(e, 'no-leader') && e.message === NO_LEADER,
    );
  });
});
