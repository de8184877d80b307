import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPidFile } from './pid-file.js';

describe('the pid file', () => {
  let dir: string;
  let path: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-pid-'));
    path = join(dir, 'exec', 'swarmtsd.pid');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const claimed = async () => {
    await claimPidFile(path);
    return readFileSync(path, 'utf8');
  };

  it('is written where there is none, and again by the same process', async () => {
    assert.equal(await claimed(), `${process.pid}\n`);
    assert.equal(await claimed(), `${process.pid}\n`);
  });

  it('belongs to a daemon that runs', async () => {
    await claimPidFile(path);
    // The name of the program is all that counts.
    const other = spawn('sh', ['-c', 'read line', 'swarmtsd'], { stdio: ['pipe', 'ignore', 'ignore'] });
    try {
      writeFileSync(path, String(other.pid));
      await assert.rejects(
        claimPidFile(path),
        new RegExp(`ensure swarmtsd is not running .* \\(process ${other.pid}\\)`),
      );
    } finally {
      other.kill('SIGKILL');
      await new Promise((resolve) => other.once('exit', resolve));
    }
    assert.equal(await claimed(), `${process.pid}\n`);
  });

  it('is taken over from another program that has got the pid, and from nonsense', async () => {
    await claimPidFile(path);
    writeFileSync(path, `${process.ppid}\n`);
    assert.equal(await claimed(), `${process.pid}\n`);
    writeFileSync(path, 'nonsense');
    assert.equal(await claimed(), `${process.pid}\n`);
  });
});
