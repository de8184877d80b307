import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, SimulatedClock, systemClock } from '@swarmts/lib';
import { releaseReader, releaseWriter } from './exec-fifo.js';

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
    assert.equal(await releaseWriter(fifo, systemClock), true);
    await writer;
    assert.equal(existsSync(fifo), false);
  });

  it('gives the waiting reader a byte and takes the pipe away', async () => {
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    assert.equal(releaseReader(fifo), true);
    assert.equal(readSync(reader, Buffer.alloc(2)), 1);
    closeSync(reader);
    assert.equal(existsSync(fifo), false);
  });

  it('leaves it to the runtime when nobody reads, and keeps the pipe', () => {
    assert.equal(releaseReader(fifo), false);
    execFileSync('mkfifo', [fifo]);
    assert.equal(releaseReader(fifo), false);
    assert.equal(existsSync(fifo), true);
  });

  it('leaves it to the runtime when there is no pipe', async () => {
    assert.equal(await releaseWriter(fifo, systemClock), false);
  });

  it('looks once more when the time is over, which a machine under load may have slept through', async () => {
    execFileSync('mkfifo', [fifo]);
    const clock = new SimulatedClock();
    const slow: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (_, fn) => clock.after(5_000, fn),
    };
    const released = releaseWriter(fifo, slow);
    const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(writer, '0');
    await clock.advance(5_000);
    assert.equal(await released, true);
    closeSync(writer);
    assert.equal(existsSync(fifo), false);
  });

  it('leaves it to the runtime when nobody writes, and keeps the pipe', async () => {
    execFileSync('mkfifo', [fifo]);
    const clock = new SimulatedClock();
    const released = releaseWriter(fifo, clock);
    await clock.advance(1_100);
    assert.equal(await released, false);
    assert.equal(existsSync(fifo), true);
  });
});
