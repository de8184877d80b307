import assert from 'node:assert/strict';
import { crunVerdict } from './choose-runtime.js';
import { parseMountinfo } from './mountinfo.js';

const pure = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';
const v1 =
  '31 25 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n40 31 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids';
const hybrid = `${v1}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`;

const verdict = (mountinfo: string, files: Readonly<Record<string, string>> = {}) =>
  crunVerdict({ mounts: parseMountinfo(mountinfo), read: (path) => files[path] ?? '' });

describe('crun', () => {
  it('takes pure cgroup v2, whatever its controllers, and pure cgroup v1', () => {
    assert.equal(verdict(pure, { '/sys/fs/cgroup/cgroup.controllers': 'cpu memory' }).kind, 'works');
    assert.equal(verdict(v1).kind, 'works');
  });

  it('takes cgroup v1 beside a cgroup v2 hierarchy without controllers', () => {
    assert.equal(verdict(hybrid, { '/sys/fs/cgroup/unified/cgroup.controllers': '\n' }).kind, 'works');
  });

  it('wants controllers that are left in cgroup v2 mounted beside the others', () => {
    const found = verdict(hybrid, { '/sys/fs/cgroup/unified/cgroup.controllers': 'hugetlb rdma\n' });
    assert.ok(found.kind === 'after');
    assert.deepEqual(
      found.mounts.map((m) => [m.fstype, m.target, m.data]),
      [
        ['cgroup', '/sys/fs/cgroup/hugetlb', 'hugetlb'],
        ['cgroup', '/sys/fs/cgroup/rdma', 'rdma'],
      ],
    );
  });

  it('is not used where somebody uses those controllers in cgroup v2', () => {
    const files = {
      '/sys/fs/cgroup/unified/cgroup.controllers': 'hugetlb',
      '/sys/fs/cgroup/unified/cgroup.subtree_control': 'hugetlb',
    };
    assert.equal(verdict(hybrid, files).kind, 'refuses');
  });
});
