/** Where the CPU quota of a group is written, by the kind of hierarchy. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMountinfo } from '../runtime/mountinfo.js';
import { liftCpuQuota } from './cpu-quota.js';

describe('a CPU quota', () => {
  it('is taken away in the file that the hierarchy has', () => {
    const root = mkdtempSync(join(tmpdir(), 'swarmts-quota-'));
    const group = join(root, 'a');
    mkdirSync(group);
    try {
      const v1 = `1 0 0:1 / ${root} rw - cgroup cgroup rw,cpu\n2 0 0:2 / /m rw - cgroup cgroup rw,memory`;
      for (const [mounts, file, text] of [
        [v1, 'cpu.cfs_quota_us', '-1'],
        [`1 0 0:1 / ${root} rw - cgroup2 cgroup2 rw`, 'cpu.max', 'max'],
      ] as const) {
        liftCpuQuota(parseMountinfo(mounts), '/a');
        assert.deepEqual(readdirSync(group), [file]);
        assert.equal(readFileSync(join(group, file), 'utf8'), text);
        rmSync(join(group, file));
      }
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
