import assert from 'node:assert/strict';
import { restrictionsOf } from './mount-restrictions.js';
import { parseMountinfo } from './mountinfo.js';

const mounts = parseMountinfo(
  [
    '1 0 8:1 / / rw,relatime - ext4 /dev/a rw',
    '2 1 8:2 / /srv rw,nosuid,nodev - ext4 /dev/b rw',
    '3 2 8:3 / /srv/media ro,noexec - ext4 /dev/c rw',
    '4 1 8:4 / /srv\\040two rw,noexec - ext4 /dev/d rw',
    '5 3 8:5 / /srv/media rw,nosuid - tmpfs tmpfs rw',
  ].join('\n'),
);

describe('the restrictions of a mount', () => {
  it('are those of the innermost mount that holds the path', () => {
    assert.deepEqual(restrictionsOf(mounts, '/srv/data'), ['nosuid', 'nodev']);
    assert.deepEqual(restrictionsOf(mounts, '/srv'), ['nosuid', 'nodev']);
    assert.deepEqual(restrictionsOf(mounts, '/home'), []);
  });

  it('are those of the mount on top', () => {
    assert.deepEqual(restrictionsOf(mounts, '/srv/media/a'), ['nosuid']);
  });

  it('are not mixed up by equal beginnings and spaces', () => {
    assert.deepEqual(restrictionsOf(mounts, '/srv two/x'), ['noexec']);
    assert.deepEqual(restrictionsOf(mounts, '/srvx'), []);
  });
});
