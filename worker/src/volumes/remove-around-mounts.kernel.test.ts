/** Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mount, unmount } from 'vxlan-tools';
import { removeAroundMounts } from './remove-around-mounts.js';

describe('the removal of a directory', () => {
  it('leaves alone in what something is mounted, and takes it once it is not', async () => {
    const dir = realpathSync(mkdtempSync(join(tmpdir(), 'swarmts-mounts-')));
    const [swarm, behind] = [join(dir, 'swarm'), join(dir, 'behind')];
    const mounted = join(swarm, 'volumes', 'v', 'mount');
    for (const path of [behind, mounted, join(swarm, 'worker')]) mkdirSync(path, { recursive: true });
    for (const path of [join(behind, 'file'), join(swarm, 'state.json')]) writeFileSync(path, 'x');
    mount({ source: behind, target: mounted, fstype: 'none', flags: ['bind'] });
    try {
      assert.deepEqual(await removeAroundMounts(swarm), [join(swarm, 'volumes')]);
      assert.deepEqual([readdirSync(swarm), readdirSync(mounted)], [['volumes'], ['file']]);
    } finally {
      unmount(mounted);
    }
    assert.deepEqual([await removeAroundMounts(swarm), existsSync(swarm)], [[], false]);
    assert.deepEqual(await removeAroundMounts(swarm), []);
    assert.deepEqual(readdirSync(behind), ['file']);
    rmSync(dir, { recursive: true });
  });
});
