/** Starts that a daemon did not finish, as the next one finds them in the state directory of the runtime. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimulatedClock } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { OciRuntime } from './oci-runtime.js';

/** Nothing here starts a program. */
const NO_HELPER = new Proxy({} as HelperApi, {
  get: (_, name) => assert.fail(`the helper was asked to ${String(name)}`),
});

describe('a start by the runtime itself', () => {
  it('is given up when it takes too long', async () => {
    const execRoot = mkdtempSync(join(tmpdir(), 'swarmts-runtime-'));
    try {
      const clock = new SimulatedClock();
      let argv: readonly string[] = [];
      const run: HelperApi['run'] = (spec, signal) => {
        argv = spec.argv;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('killed'))));
      };
      const helper: HelperApi = Object.assign(Object.create(NO_HELPER), { run });
      const options = { helper, clock, execRoot, runtimePath: '/usr/bin/runc', conmonPath: 'conmon' };
      const runtime = new OciRuntime(options);
      await runtime.prepare();
      const started = runtime.start('c1', true);
      const refused = assert.rejects(started, /the OCI runtime was not done with 'start' in 120000 ms/);
      await clock.advance(120_000);
      await refused;
      assert.deepEqual(argv.slice(-2), ['start', 'c1']);
    } finally {
      rmSync(execRoot, { recursive: true });
    }
  });
});

describe('a start that was cut short', () => {
  let execRoot: string;
  beforeEach(() => {
    execRoot = mkdtempSync(join(tmpdir(), 'swarmts-runtime-'));
  });
  afterEach(() => rmSync(execRoot, { recursive: true }));

  const made = (program: string) => {
    const clock = new SimulatedClock();
    const runtime = new OciRuntime({ helper: NO_HELPER, clock, execRoot, runtimePath: program, conmonPath: 'conmon' });
    const state = runtime.stateDirectory('c1', program);
    mkdirSync(state, { recursive: true });
    const fifo = join(state, 'exec.fifo');
    return { runtime, fifo, clock };
  };

  it('goes on: the process that waits is released', async () => {
    const { runtime, fifo } = made('/usr/bin/crun');
    execFileSync('mkfifo', [fifo]);
    const waiting = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    await runtime.resumeStart('c1');
    assert.equal(readSync(waiting, Buffer.alloc(2)), 1);
    closeSync(waiting);
    assert.equal(existsSync(fifo), false);
  });

  it('is over when nobody waits any more: what says otherwise is taken away', async () => {
    for (const program of ['/usr/bin/crun', '/usr/bin/runc']) {
      const { runtime, fifo, clock } = made(program);
      execFileSync('mkfifo', [fifo]);
      const resumed = runtime.resumeStart('c1');
      await clock.advance(1_100);
      await resumed;
      assert.equal(existsSync(fifo), false, program);
      rmSync(join(execRoot, 'runtime'), { recursive: true });
    }
  });

  it('is none where the pipe is gone', async () => {
    const { runtime } = made('/usr/bin/runc');
    await runtime.resumeStart('c1');
    await runtime.resumeStart('unknown');
  });
});
