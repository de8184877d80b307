import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@swarmts/lib';
import { engineRoutes } from '../server.js';
import { Harness } from '../testing/harness.js';
import { memoryBackend } from '../testing/memory-backend.js';
import { coverageOf, coveragePage } from './coverage.js';
import { DIFFERENCES } from './differences.js';
import { ENGINE_ENDPOINTS } from './engine-endpoints.js';

const PAGE = fileURLToPath(new URL('../../../docs/api-coverage.md', import.meta.url));

describe('the coverage of the Docker Engine API', () => {
  const context = { backend: memoryBackend(), version: 'x', log: silentLogger, now: () => 0 };
  const report = coverageOf(engineRoutes(context).routes);

  it('is what the page says', () => {
    const page = coveragePage(report);
    if (process.env.REWRITE_GOLDEN === '1') writeFileSync(PAGE, page);
    assert.equal(
      readFileSync(PAGE, 'utf8'),
      page,
      'docs/api-coverage.md is not current (REWRITE_GOLDEN=1 rewrites it)',
    );
  });

  it('has differences of endpoints that are answered alone', () => {
    const partial = report.engine.flatMap((e) => (e.kind === 'partial' ? [e.endpoint] : []));
    assert.deepEqual(Object.keys(DIFFERENCES).sort(), partial.sort());
    assert.equal(new Set(ENGINE_ENDPOINTS).size, ENGINE_ENDPOINTS.length);
  });

  it('refuses with an error that says why, and never with a success', async () => {
    const api = await Harness.start();
    try {
      for (const e of report.engine) {
        if (e.kind !== 'refused') continue;
        const [method = '', path = ''] = e.endpoint.split(' ');
        const answer = await api.send(method, path.replaceAll(/\{\w+\}/g, 'x'));
        assert.ok(answer.status === 501 || answer.status === 404, `${e.endpoint}: ${answer.status}`);
        const { message } = answer.json as { readonly message: string };
        assert.ok(message.length > 0 && message !== 'page not found', `${e.endpoint}: ${message}`);
      }
    } finally {
      await api.stop();
    }
  });
});
