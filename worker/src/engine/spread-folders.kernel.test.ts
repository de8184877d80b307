/** The hint to ext4. Needs root, and says so where the temporary folder is on something else. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwarmtsError, silentLogger } from '@swarmts/lib';
import { startHelper } from '../helper/spawn-helper.js';
import { spreadFolders } from './spread-folders.js';

describe('folders that are spread over the disk', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-spread-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('have the attribute where the file system knows it, and are there in any case', async () => {
    const helper = await startHelper({ logger: silentLogger });
    try {
      const folder = join(dir, 'containers');
      for (let i = 0; i < 2; i++) await spreadFolders([folder], helper, silentLogger);
      assert.ok(existsSync(folder));
      const isExt = spawnSync('stat', ['-f', '-c', '%T', dir], { encoding: 'utf8' }).stdout.startsWith('ext');
      const attributes = spawnSync('lsattr', ['-d', folder], { encoding: 'utf8' }).stdout.split(' ')[0] ?? '';
      assert.equal(attributes.includes('T'), isExt);
    } finally {
      await helper.close();
    }
  });

  it('are as they are on a machine without the program', async () => {
    const run = () => Promise.reject(new SwarmtsError('not-found', 'no chattr'));
    await spreadFolders([join(dir, 'volumes')], { run }, silentLogger);
    assert.ok(existsSync(join(dir, 'volumes')));
  });
});
