/** The tmpfs of the exec root. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@swarmts/lib';
import { startHelper } from '../helper/spawn-helper.js';
import { mountVolatileState } from './volatile-state.js';

describe('the volatile state', () => {
  let dir: string;
  let helper: Awaited<ReturnType<typeof startHelper>>;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-volatile-'));
    helper = await startHelper({ logger: silentLogger });
  });
  after(async () => {
    for (const m of mounts()) await helper.unmount(m);
    await helper.close();
    rmSync(dir, { recursive: true });
  });

  const mounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((l) => l.split(' ')[4] ?? '')
      .filter((target) => target.startsWith(`${dir}/`));

  it('gets a tmpfs once, which a later start leaves as it is', async () => {
    await mountVolatileState(dir, helper, silentLogger);
    assert.equal(mounts().length, 5);
    writeFileSync(join(dir, 'containers', 'kept'), 'x');
    await mountVolatileState(dir, helper, silentLogger);
    assert.equal(mounts().length, 5);
    assert.equal(readFileSync(join(dir, 'containers', 'kept'), 'utf8'), 'x');
  });

  it('needs none below a tmpfs', async () => {
    const inside = join(dir, 'containers', 'exec');
    mkdirSync(inside);
    await mountVolatileState(inside, helper, silentLogger);
    assert.equal(mounts().length, 5);
  });

  it('is not put over what is there', async () => {
    const root = join(dir, 'disk');
    mkdirSync(join(root, 'netns', 'c1'), { recursive: true });
    await mountVolatileState(root, helper, silentLogger);
    assert.ok(existsSync(join(root, 'netns', 'c1')));
    assert.ok(mounts().includes(join(root, 'runtime')));
  });
});
