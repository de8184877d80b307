import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../bin/swarmts.js', import.meta.url));

describe('the swarmts program', () => {
  it('reads its options itself, those too that Node has', () => {
    const { status, stderr } = spawnSync(PROGRAM, ['run', '--env-file', '/nowhere/variables', 'busybox'], {
      encoding: 'utf8',
      env: { ...process.env, SWARMTS_HOST: 'unix:///nowhere/swarmts.sock' },
    });
    assert.match(stderr, /^swarmts: open \/nowhere\/variables: no such file or directory\.\n/);
    assert.equal(status, 125);
  });
});
