import assert from 'node:assert/strict';
import { favorDynmodsMount } from './cgroup-mount.js';
import { parseMountinfo } from './mountinfo.js';

const planFor = (mountinfo: string) => favorDynmodsMount(parseMountinfo(mountinfo));

const systemd =
  '30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot';
const hybrid =
  '31 25 0:27 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw,mode=755\n' +
  '40 31 0:37 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n' +
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n';

describe('the favordynmods flag of the cgroup mount', () => {
  it('is added to the options that the hierarchy has, which a remount would drop otherwise', () => {
    assert.deepEqual(planFor(systemd), {
      source: 'cgroup2',
      target: '/sys/fs/cgroup',
      fstype: 'cgroup2',
      flags: ['remount', 'nosuid', 'nodev', 'noexec', 'relatime'],
      data: 'nsdelegate,memory_recursiveprot,favordynmods',
    });
  });

  it('goes to the cgroup v2 hierarchy beside cgroup v1', () => {
    assert.deepEqual(planFor(hybrid), {
      source: 'cgroup2',
      target: '/sys/fs/cgroup/unified',
      fstype: 'cgroup2',
      flags: ['remount', 'relatime'],
      data: 'favordynmods',
    });
  });

  it('is left alone where it is set, and where there is only cgroup v1', () => {
    assert.equal(planFor(`${systemd},favordynmods`), undefined);
    assert.equal(planFor('40 31 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids'), undefined);
    assert.equal(planFor(''), undefined);
  });
});
