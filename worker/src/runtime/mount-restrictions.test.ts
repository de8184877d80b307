import assert from 'node:assert/strict';
import { checkPropagation, restrictionsOf } from './mount-restrictions.js';
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

describe('the propagation that a bind mount asks for', () => {
  const host = parseMountinfo(
    [
      '1 0 8:1 / / rw - ext4 /dev/a rw',
      '2 1 8:2 / /shared rw shared:5 - ext4 /dev/b rw',
      '3 1 8:3 / /slave rw master:5 - ext4 /dev/c rw',
    ].join('\n'),
  );

  it('is there when the mount that holds the source has it', () => {
    for (const wanted of ['shared', 'rshared', 'slave', 'rslave']) checkPropagation(host, '/shared/x', wanted);
    checkPropagation(host, '/slave', 'rslave');
    checkPropagation(host, '/private', 'rprivate');
  });

  it('is refused in the words of Docker when it does not', () => {
    const refused = (path: string, wanted: string, message: string) =>
      assert.throws(() => checkPropagation(host, path, wanted), { message });
    refused('/tmp', 'rshared', 'path /tmp is mounted on / but it is not a shared mount');
    refused('/slave/x', 'shared', 'path /slave/x is mounted on /slave but it is not a shared mount');
    refused('/tmp', 'slave', 'path /tmp is mounted on / but it is not a shared or slave mount');
  });
});
