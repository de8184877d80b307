import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimulatedClock, systemClock } from '@swarmts/lib';
import { releaseInit } from './exec-fifo.js';

describe('the release of a created container', () => {
  let dir: string;
  let fifo: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-fifo-'));
    fifo = join(dir, 'exec.fifo');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('lets the waiting writer go on and takes the pipe away', async () => {
    execFileSync('mkfifo', [fifo]);
    const writer = open(fifo, 'w').then(async (f) => {
      await f.write('0');
      await f.close();
    });
    assert.equal(await releaseInit(fifo, systemClock), true);
    await writer;
    assert.equal(existsSync(fifo), false);
  });

  it('leaves it to the runtime when there is no pipe', async () => {
    assert.equal(await releaseInit(fifo, systemClock), false);
  });

  it('leaves it to the runtime when nobody writes, and keeps the pipe', async () => {
    execFileSync('mkfifo', [fifo]);
    const clock = new SimulatedClock();
    const released = releaseInit(fifo, clock);
    await clock.advance(1_100);
    assert.equal(await released, false);
    assert.equal(existsSync(fifo), true);
  });
});
