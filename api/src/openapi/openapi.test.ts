import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@swarmts/lib';
import { engineRoutes } from '../server.js';
import { Harness } from '../testing/harness.js';
import { memoryBackend } from '../testing/memory-backend.js';
import { ResponseChecker } from '../testing/response-schema.js';
import { openApiDocument, ownEndpointsOf } from './openapi.js';
import { ownEndpoints } from './own-endpoints.js';

const FILE = fileURLToPath(new URL('../../../docs/openapi.json', import.meta.url));

describe('the OpenAPI document', () => {
  const { routes, hub } = engineRoutes({ backend: memoryBackend(), version: 'x', log: silentLogger, now: () => 0 });
  hub.close();
  const endpoints = ownEndpointsOf(routes);

  it('describes all routes of ours and no others', () => {
    assert.deepEqual(Object.keys(ownEndpoints).sort(), [...endpoints].sort());
  });

  it('is what the file in docs says, and what the daemon answers', async () => {
    const document = JSON.parse(JSON.stringify(openApiDocument(endpoints)));
    if (process.env.REWRITE_GOLDEN === '1') writeFileSync(FILE, `${JSON.stringify(document, null, 2)}\n`);
    const kept = JSON.parse(readFileSync(FILE, 'utf8'));
    assert.deepEqual(
      kept,
      document,
      'docs/openapi.json is not current (REWRITE_GOLDEN=1 rewrites it, `npm run format` formats it)',
    );
    const api = await Harness.start();
    try {
      assert.deepEqual((await api.send('GET', '/swarmts/v1/openapi.json')).json, document);
    } finally {
      await api.stop();
    }
  });

  it('is what answers in tests are held against', () => {
    const checker = new ResponseChecker();
    const live = (body: object) => checker.errorsOf('GET', '/v1.43/swarmts/v1/health/live', 200, body);
    assert.deepEqual(live({ Status: 'live' }), []);
    assert.notDeepEqual(live({ Status: 'dead' }), []);
    assert.notDeepEqual(live({ Status: 'live', More: 1 }), []);
  });
});
