/** Changes of a container's record that come at the same time. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerContext } from './container-context.js';
import { ContainerCore } from './container-core.js';
import { loadRecord } from './container-record.js';
import { containerRecord } from './engine-bed.js';
import { initialHealth } from './health-state.js';

describe('the record of a container', () => {
  let dir: string;
  let core: ContainerCore;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-record-'));
    core = new ContainerCore(containerRecord('c1', {}), {
      dataRoot: dir,
      execRoot: dir,
    } as unknown as ContainerContext);
    mkdirSync(core.paths.container, { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('has every change of those that were made at once', async () => {
    const health = { ...initialHealth, status: 'healthy' as const };
    const config = { ...core.record.config, name: 'renamed' };
    await Promise.all([core.change({ config }), core.change({ health }), core.change({ state: 'paused' })]);
    for (const record of [core.record, await loadRecord(core.paths.container)]) {
      assert.deepEqual([record?.config.name, record?.health, record?.state], ['renamed', health, 'paused']);
    }
  });

  it('forgets what is set to nothing', async () => {
    await core.change({ process: { init: { pid: 1, startTicks: 1 }, monitor: { pid: 2, startTicks: 2 } } as never });
    await core.change({ process: undefined });
    assert.ok(!('process' in ((await loadRecord(core.paths.container)) ?? assert.fail())));
  });

  it('stays as it is when it cannot be written, and takes the next change', async () => {
    rmSync(core.paths.container, { recursive: true });
    writeFileSync(core.paths.container, 'no directory');
    await assert.rejects(core.change({ state: 'paused' }));
    assert.equal(core.record.state, 'running');
    rmSync(core.paths.container);
    mkdirSync(core.paths.container, { recursive: true });
    await core.change({ state: 'paused' });
    assert.equal(core.record.state, 'paused');
  });
});
