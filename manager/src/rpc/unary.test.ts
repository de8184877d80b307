import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { CaService, GetRootCaRequest } from '@swarmts/proto';
import { callUnary, fromServiceError } from './unary.js';

describe('a call whose connection breaks', () => {
  const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_FLOW_CONTROL_ERROR } = http2.constants;
  for (const code of [NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_FLOW_CONTROL_ERROR]) {
    it(`is one that can be tried elsewhere, with code ${code}`, async () => {
      const server = http2.createServer();
      server.on('stream', (stream) => stream.on('error', () => undefined).close(code));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      try {
        await assert.rejects(callUnary(client, CaService.getRootCa, GetRootCaRequest.create({}), { timeoutMs: 5000 }), {
          code: 'unavailable',
        });
      } finally {
        client.close();
        server.close();
      }
    });
  }

  it('is one that can be tried elsewhere, also where it broke before the request was written', () => {
    const status = (details: string) => ({ code: grpc.status.INTERNAL, details, metadata: new grpc.Metadata() });
    assert.equal(fromServiceError(status('Write error: write after end')).code, 'unavailable');
    assert.equal(fromServiceError(status('the store is broken')).code, 'internal');
  });
});
