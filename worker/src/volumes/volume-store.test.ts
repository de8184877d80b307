/** Volumes that several containers have at once. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { silentLogger, systemClock } from '@swarmts/lib';
import type { HelperApi, MountSpec } from '../helper/helper-api.js';
import { VolumeStore } from './volume-store.js';

describe('volumes of several containers', () => {
  let dir: string;
  let calls: string[];
  let store: VolumeStore;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-volumes-'));
    calls = [];
    store = await open();
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const open = () => {
    const mount = async ({ source }: MountSpec) => {
      calls.push('mount');
      if (source === 'dead') await new Promise(() => undefined);
    };
    const helper = { mount, unmount: async () => calls.push('unmount') };
    return VolumeStore.open({
      root: join(dir, 'volumes'),
      // Only what mounting asks for.
      helper: helper as unknown as HelperApi,
      clock: systemClock,
      logger: silentLogger,
      users: () => [],
      emit: () => undefined,
    });
  };
  const shared = () => store.create({ name: 'shared', options: { type: 'tmpfs', device: 'tmpfs' } });

  it('are mounted once for those that start at the same time, and unmounted after the last', async () => {
    await shared();
    await Promise.all([store.acquire('shared', 'c1'), store.acquire('shared', 'c2'), store.acquire('shared', 'c1')]);
    assert.deepEqual(calls.splice(0), ['unmount', 'mount']);
    await store.release('shared', 'c1');
    await store.release('shared', 'c1');
    await store.release('shared', 'nobody');
    assert.deepEqual(calls, []);
    await store.release('shared', 'c2');
    assert.deepEqual(calls, ['unmount']);
  });

  it('stay as they are when they are made once more', async () => {
    const made = await shared();
    assert.deepEqual(await store.create({ name: 'shared', labels: { a: 'b' }, options: { bogus: '1' } }), made);
    await assert.rejects(store.create({ name: 'other', options: { bogus: '1' } }), /bogus/);
  });

  it('do not wait for one whose server does not answer', async () => {
    await store.create({ name: 'slow', options: { type: 'none', device: 'dead' } });
    const never = store.acquire('slow', 'c1');
    await shared();
    await store.acquire('shared', 'c2');
    await store.remove('shared', false);
    assert.equal(await Promise.race([never, turn('it waits')]), 'it waits');
  });

  it('stay mounted for those that ran when the process ended', async () => {
    await shared();
    store = await open();
    store.adopt('shared', 'c1');
    await store.acquire('shared', 'c2');
    await store.release('shared', 'c2');
    assert.deepEqual(calls, []);
  });

  it('are filled by one, while others wait, and not over what is there', async () => {
    const { mountpoint } = await store.create({ name: 'data' });
    const filled: string[] = [];
    const fill = (who: string) =>
      store.fill('data', async (path) => {
        filled.push(who);
        await turn();
        writeFileSync(join(path, 'file'), who);
      });
    await Promise.all([fill('c1'), fill('c2')]);
    assert.deepEqual([filled, readFileSync(join(mountpoint, 'file'), 'utf8')], [['c1'], 'c1']);
    assert.deepEqual(readdirSync(join(dir, 'volumes', 'data')).sort(), ['_data', 'volume.json']);
  });

  it('are filled to the end where somebody has begun', async () => {
    const { mountpoint } = await store.create({ name: 'data' });
    const half = store.fill('data', async (path) => {
      writeFileSync(join(path, 'first'), 'x');
      throw new Error('no space left');
    });
    await assert.rejects(half, /no space/);
    store = await open();
    await store.fill('data', async (path) => writeFileSync(join(path, 'second'), 'x'));
    await store.fill('data', async (path) => writeFileSync(join(path, 'third'), 'x'));
    assert.deepEqual(readdirSync(mountpoint).sort(), ['first', 'second']);
  });
});
