/** What the body of an update changes. */
import assert from 'node:assert/strict';
import { JsonObject } from '../json/object.js';
import { readLimitChanges } from './container-limits.js';

describe('changes of limits', () => {
  const changes = (body: object, minor = 55) => readLimitChanges(JsonObject.of(body, 'body'), [1, minor]);

  it('are what the body names, and no zeros, which clients send for what they leave alone', () => {
    assert.deepEqual(changes({ Memory: 0, CpuShares: 512, CpusetCpus: '', Ulimits: [] }), { cpuShares: 512 });
    assert.deepEqual(changes({}), {});
  });

  it('may take the limit of processes away', () => {
    assert.deepEqual(changes({ PidsLimit: 0 }), { pidsLimit: 0 });
    assert.deepEqual(changes({ PidsLimit: -1 }), { pidsLimit: 0 });
    assert.deepEqual(changes({ PidsLimit: null }), {});
    assert.deepEqual(changes({ PidsLimit: 16 }, 40), { pidsLimit: 16 });
    assert.deepEqual(changes({ PidsLimit: 16 }, 39), {}, 'clients of before are not listened to');
  });

  it('may take the limits of devices away, with an empty list', () => {
    const body = {
      BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 5 }],
      BlkioDeviceWriteIOps: [],
      BlkioWeightDevice: null,
    };
    assert.deepEqual(changes(body), { blkioReadBps: [{ path: '/dev/sda', value: 5 }], blkioWriteIops: [] });
    assert.deepEqual(changes(body, 54), {});
  });
});
