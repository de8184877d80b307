/** What is written where for the block devices of a group, by the kind of hierarchy. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceNumbers } from '../runtime/machine-facts.js';
import { parseMountinfo } from '../runtime/mountinfo.js';
import { changeBlockLimits } from './block-limits.js';
import type { ContainerResources } from './container-config.js';

const NONE: ContainerResources = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
const FILES = ['blkio.throttle.write_iops_device', 'blkio.weight_device', 'io.max', 'io.bfq.weight'];

describe('limits of block devices', () => {
  it('are written where the hierarchy has them, and taken away from devices that have none any more', () => {
    const root = mkdtempSync(join(tmpdir(), 'swarmts-block-'));
    const { major, minor } = deviceNumbers(statSync('/dev/null').rdev);
    const on = (value: number) => [{ path: '/dev/null', value }];
    const before = { ...NONE, blkioWeightDevice: on(300), blkioReadBps: [{ path: '/dev/pulled-out', value: 5 }] };
    try {
      mkdirSync(join(root, 'a'));
      for (const [mounts, written] of [
        [
          `1 0 0:1 / ${root} rw - cgroup cgroup rw,blkio\n2 0 0:2 / /m rw - cgroup cgroup rw,memory`,
          ['7', '0', '', ''],
        ],
        [`1 0 0:1 / ${root} rw - cgroup2 cgroup2 rw`, ['', '', 'wiops=7', 'default']],
      ] as const) {
        for (const file of FILES) writeFileSync(join(root, 'a', file), '');
        changeBlockLimits(parseMountinfo(mounts), '/a', before, { ...NONE, blkioWriteIops: on(7) });
        const texts = written.map((text) => (text === '' ? '' : `${major}:${minor} ${text}`));
        assert.deepEqual(
          FILES.map((file) => readFileSync(join(root, 'a', file), 'utf8')),
          texts,
        );
        assert.equal(
          readdirSync(join(root, 'a')).length,
          FILES.length,
          'a file that the kernel does not have is not made',
        );
      }
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
