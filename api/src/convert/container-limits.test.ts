/** What the body of an update changes. */
import assert from 'node:assert/strict';
import { JsonObject } from '../json/object.js';
import { readLimitChanges } from './container-limits.js';

describe('changes of limits', () => {
  const changes = (body: object) => readLimitChanges(JsonObject.of(body, 'body'));

  it('are what the body names, and no zeros, which clients send for what they leave alone', () => {
    assert.deepEqual(changes({ Memory: 0, CpuShares: 512, CpusetCpus: '', Ulimits: [] }), { cpuShares: 512 });
    assert.deepEqual(changes({}), {});
  });

  it('may take the limit of processes away', () => {
    assert.deepEqual(changes({ PidsLimit: 0 }), { pidsLimit: 0 });
    assert.deepEqual(changes({ PidsLimit: -1 }), { pidsLimit: 0 });
    assert.deepEqual(changes({ PidsLimit: null }), {});
  });
});
