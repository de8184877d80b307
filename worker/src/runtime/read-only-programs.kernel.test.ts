/** Programs on read-only mounts. Needs root. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwarmtsError, silentLogger } from '@swarmts/lib';
import { startHelper } from '../helper/spawn-helper.js';
import { ReadOnlyPrograms } from './read-only-programs.js';

describe('a program that is bound read-only', () => {
  let dir: string;
  let program: string;
  let helper: Awaited<ReturnType<typeof startHelper>>;
  const install = (says: string) => {
    writeFileSync(`${program}.new`, `#!/bin/sh\necho ${says}\n`);
    chmodSync(`${program}.new`, 0o755);
    renameSync(`${program}.new`, program);
  };
  const call = (path: string) => spawnSync(path, { encoding: 'utf8' }).stdout.trim();
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-programs-'));
    program = join(dir, 'runtime');
    install('one');
    helper = await startHelper({ logger: silentLogger });
  });
  afterEach(async () => {
    await helper.unmount(join(dir, 'bound', 'runtime'));
    await helper.close();
    rmSync(dir, { recursive: true });
  });
  const made = () => new ReadOnlyPrograms({ helper, dir: join(dir, 'bound'), logger: silentLogger });

  it('is called there, and cannot be written', async () => {
    const programs = made();
    assert.equal(programs.pathOf(program), program);
    await programs.bind(program);
    const path = programs.pathOf(program);
    assert.equal(path, join(dir, 'bound', 'runtime'));
    assert.equal(call(path), 'one');
    assert.throws(() => writeFileSync(path, 'x'), { code: 'EROFS' });
  });

  it('is bound once, whoever bound it before', async () => {
    await made().bind(program);
    await made().bind(program);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    assert.equal(mounts.filter((l) => l.includes(`${dir}/bound/`)).length, 1);
  });

  it('is called by its own path when it was replaced, until the new one is bound', async () => {
    const programs = made();
    await programs.bind(program);
    install('two');
    assert.equal(programs.pathOf(program), program);
    await programs.bind(program);
    assert.equal(call(programs.pathOf(program)), 'two');
    assert.notEqual(programs.pathOf(program), program);
  });

  it('is called by its own path where nothing can be mounted', async () => {
    const mount = () => Promise.reject(new SwarmtsError('internal', 'no mounts here'));
    const programs = new ReadOnlyPrograms({
      helper: { mount, unmount: async () => undefined },
      dir: join(dir, 'bound'),
      logger: silentLogger,
    });
    await programs.bind(program);
    assert.equal(programs.pathOf(program), program);
  });
});
