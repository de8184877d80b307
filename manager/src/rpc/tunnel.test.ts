import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { PassThrough } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { ControlService, TunnelFrame } from '@swarmts/proto';
import { openTunnelThrough, serveTunnel } from './tunnel.js';

describe('a tunnel through the leader', () => {
  let server: grpc.Server;
  let client: grpc.Client;
  let serve: (frames: grpc.ServerDuplexStream<TunnelFrame, TunnelFrame>) => void;
  before(async () => {
    server = new grpc.Server();
    const m = ControlService.tunnel;
    const handler = (frames: grpc.ServerDuplexStream<TunnelFrame, TunnelFrame>) => serve(frames);
    server.register(m.path, handler as never, m.responseSerialize as never, m.requestDeserialize as never, 'bidi');
    const credentials = grpc.ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (e, bound) => (e ? reject(e) : resolve(bound)));
    });
    client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  });
  after(() => {
    client.close();
    server.forceShutdown();
  });

  it('carries bytes both ways', async () => {
    const node = new PassThrough();
    const asked: string[] = [];
    const ended = new Promise<void>((resolve) => {
      serve = (frames) => {
        frames.once('finish', resolve);
        serveTunnel(frames, (nodeId) => {
          asked.push(nodeId);
          return node;
        });
      };
    });
    const tunnel = await openTunnelThrough(client, 'node1');
    assert.deepEqual(asked, ['node1']);
    tunnel.write('there and back');
    const [chunk] = (await once(tunnel, 'data')) as [Buffer];
    assert.equal(chunk.toString(), 'there and back');
    tunnel.destroy();
    await once(node, 'close');
    await ended;
  });

  it('is not opened to a node that is away: the caller is told so', async () => {
    serve = (frames) =>
      serveTunnel(frames, (nodeId) => {
        throw new SwarmtsError('unavailable', `node ${nodeId} is not connected to the managers at the moment`);
      });
    await assert.rejects(
      openTunnelThrough(client, 'node1'),
      (e) =>
        isSwarmtsError(e, 'unavailable') && e.message === 'node node1 is not connected to the managers at the moment',
    );
  });

  it('gives a slow reader everything that came before its end', async () => {
    const frames = Object.assign(new EventEmitter(), { write: () => true, end: () => undefined });
    const leader = { makeBidiStreamRequest: () => frames } as unknown as grpc.Client;
    const opening = openTunnelThrough(leader, 'node1');
    frames.emit('metadata');
    const tunnel = await opening;
    const part = Buffer.alloc(64 * 1024, 'x');
    for (let i = 0; i < 10; i++) frames.emit('data', TunnelFrame.create({ data: part }));
    frames.emit('data', TunnelFrame.create({ end: true }));
    frames.emit('data', TunnelFrame.create({ close: true }));
    for (const event of ['end', 'close']) frames.emit(event);
    await new Promise((resolve) => setImmediate(resolve));
    const chunks: Buffer[] = [];
    for await (const chunk of tunnel) chunks.push(chunk as Buffer);
    assert.equal(Buffer.concat(chunks).length, 10 * part.length);
  });

  it('is over when its connection is', async () => {
    const frames = Object.assign(new EventEmitter(), { write: () => true, end: () => undefined });
    const leader = { makeBidiStreamRequest: () => frames } as unknown as grpc.Client;
    const opening = openTunnelThrough(leader, 'node1');
    frames.emit('metadata');
    const tunnel = await opening;
    tunnel.resume();
    const closed = once(tunnel, 'close');
    frames.emit('end');
    await closed;
  });

  it('is taken for open where the leader is of a release that does not say so', async () => {
    serve = (frames) => frames.on('data', () => undefined);
    const tunnel = await openTunnelThrough(client, 'node1');
    assert.equal(tunnel.destroyed, false);
    tunnel.destroy();
  });
});
