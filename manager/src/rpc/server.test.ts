import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { ControlCall, ControlResult, ControlService } from '@swarmts/proto';
import { managerChannelOptions } from '../ca/credentials.js';
import { serverOptions } from './server.js';
import { callUnary } from './unary.js';

describe('connections to a manager', () => {
  it('carry answers that are larger than what a manager takes', async () => {
    const server = new grpc.Server(serverOptions);
    const m = ControlService.call;
    const handler = (_: unknown, callback: grpc.sendUnaryData<ControlResult>) =>
      callback(null, ControlResult.create({ response: Buffer.alloc(20 * 1024 * 1024) }));
    server.register(m.path, handler as never, m.responseSerialize as never, m.requestDeserialize as never, 'unary');
    const credentials = grpc.ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (e, bound) => (e ? reject(e) : resolve(bound))),
    );
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), managerChannelOptions);
    try {
      const call = (request: Uint8Array) =>
        callUnary(client, m, ControlCall.create({ request }), {
          timeoutMs: 20_000,
          signal: new AbortController().signal,
        });
      assert.equal((await call(Buffer.alloc(0))).response.length, 20 * 1024 * 1024);
      await assert.rejects(call(Buffer.alloc(20 * 1024 * 1024)));
    } finally {
      client.close();
      server.forceShutdown();
    }
  });
});
