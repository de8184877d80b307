/**
 * A daemon, or its helper, that is killed at every step of what it does to a container: whoever opens the engine next finds the container
 * running or not, never in between, can go on with it, and leaves nothing behind. Needs root.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf } from '../runtime/text-of.js';
import { AT_WORK, CRASH_NAME, type CrashPlan, EXIT_PAST } from './crash-child.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, TestRegistry } from './engine-bed.js';

const CRASH_FILES = new URL('./crash-files.js', import.meta.url).href;
/** An odd number, so that kills before and after a call take turns. */
const STRIDE = Number(process.env.KILLS_STRIDE ?? 5);
const CHILD = fileURLToPath(new URL('./crash-child.js', import.meta.url));
/** More calls than anything makes: a test that comes so far does not end its operation. */
const MOST_CALLS = 60;
const CHILD_MS = 30_000;

describe('a kill at every step', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  /** How the child ended; false when its operation was over before the call. `filesAt` counts calls that change files instead. */
  function struck(plan: Pick<CrashPlan, 'operation' | 'at' | 'when' | 'victim'>, filesAt = 0): boolean {
    const { dataRoot, execRoot, cgroupParent } = bed;
    const text = JSON.stringify({ ...plan, dataRoot, execRoot, cgroupParent, image });
    const child = spawnSync(process.execPath, [...(filesAt > 0 ? ['--import', CRASH_FILES] : []), CHILD, text], {
      encoding: 'utf8',
      timeout: CHILD_MS,
      env: { ...process.env, CRASH_FILES_AT: `${filesAt}:${plan.when}`, CRASH_FILES_ARMED: 'no' },
    });
    if (child.status === EXIT_PAST) return false;
    assert.ok(child.signal === 'SIGKILL' || child.status === 0, child.stderr || `ended with ${child.status}`);
    return true;
  }

  async function running(): Promise<void> {
    const volume = { type: 'volume', source: '', target: '/data', readOnly: false } as const;
    const config = { name: CRASH_NAME, networkMode: 'local', mounts: [volume] } as const;
    const id = await bed.engine.create(containerConfig(image, ['sleep', '1000'], config));
    await bed.engine.start(id);
  }

  /** Goes on with whatever the crash has left, and takes it away. */
  async function recover(where: string): Promise<void> {
    const found = bed.engine.find(CRASH_NAME);
    if (found?.state === 'paused') await bed.engine.unpause(found.id);
    if (found) {
      assert.ok(['created', 'running', 'exited', 'paused'].includes(found.state), `${where}: ${found.state}`);
      if (found.state !== 'running') await bed.engine.start(found.id);
      const { code, stderr } = await bed.engine.exec(found.id, ['true'], { timeoutMs: 5_000 });
      assert.equal(code, 0, `${where}: ${Buffer.from(stderr)}`);
      await bed.engine.remove(found.id, { force: true, volumes: true });
    }
    for (const v of await bed.engine.volumes.list()) await bed.engine.volumes.remove(v.name, true);
    await eventually(() => leftovers().length === 0, `${where}: nothing is left of ${leftovers().join(', ')}`);
  }

  function leftovers(): string[] {
    const names = (path: string) => (existsSync(path) ? readdirSync(path).map((n) => join(path, n)) : []);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((l) => l.includes(bed.dir) && /\/(containers|netns|files|volumes)\//.test(l));
    const monitors = readdirSync('/proc')
      .filter((n) => /^\d+$/.test(n))
      .filter((n) => commandOf(n).includes(bed.execRoot) && /conmon|runc|crun/.test(commandOf(n)));
    const folders = ['netns', 'containers', 'files'].map((n) => join(bed.execRoot, n));
    return [...[join(bed.dataRoot, 'containers'), ...folders].flatMap(names), ...mounts, ...monitors, ...cgroups()];
  }

  function cgroups(): string[] {
    const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((n) => join('/sys/fs/cgroup', n))];
    return roots
      .map((r) => join(r, bed.cgroupParent))
      .filter((p) => existsSync(p))
      .flatMap((p) =>
        readdirSync(p, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [join(p, e.name)] : [])),
      );
  }

  /** A container that is said to run has its command for a process, and not the runtime that waits to become it. */
  async function runsItsCommand(where: string): Promise<void> {
    const { pid = 0 } = bed.engine.find(CRASH_NAME) ?? {};
    await eventually(() => commandOf(String(pid)).startsWith('sleep\0'), `${where}: ${commandOf(String(pid))}`);
  }

  it('of start that changes files', async () => {
    let kills = 0;
    for (let at = 1; at <= MOST_CALLS; at += STRIDE) {
      const when = at % 2 === 0 ? 'before' : 'after';
      const where = `start, ${when} file call ${at}`;
      await bed.engine.close();
      const hit = struck({ operation: 'start', at: 0, when, victim: 'daemon' }, at);
      await bed.open();
      const found = bed.engine.find(CRASH_NAME);
      if (found?.state === 'running') await runsItsCommand(where);
      // Otherwise it would be done twice.
      else if (found) assert.ok(!textOf(found.logPath).includes(AT_WORK), `${where}: ${found.state}, but has run`);
      await recover(where);
      if (!hit) break;
      kills++;
    }
    assert.ok(kills >= 12 / STRIDE && kills < MOST_CALLS / STRIDE, `${kills} kills`);
  });

  for (const victim of ['daemon', 'helper'] as const) {
    it(`of copying out of a container that does not run, with the ${victim} as the victim`, async () => {
      const volume = { name: 'crash-volume', options: { type: 'tmpfs', device: 'tmpfs' } };
      const mounts = [{ type: 'volume', source: volume.name, target: '/data', readOnly: false }] as const;
      let kills = 0;
      for (let at = 1; at <= MOST_CALLS; at += STRIDE) {
        const { mountpoint } = await bed.engine.volumes.create(volume);
        await bed.engine.create(containerConfig(image, ['sleep', '1000'], { name: CRASH_NAME, mounts }));
        await bed.engine.close();
        const when = at % 2 === 0 ? 'before' : 'after';
        const hit = struck({ operation: 'copy', at, when, victim });
        await bed.open();
        const where = `copy, ${victim} ${when} call ${at}`;
        assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(mountpoint), `${where}: it is unmounted`);
        await recover(where);
        if (!hit) break;
        kills++;
      }
      assert.ok(kills > 0 && kills < MOST_CALLS / STRIDE, `${kills} kills`);
    });

    for (const operation of ['start', 'stop', 'restart', 'pause', 'remove'] as const) {
      it(`of ${operation}, with the ${victim} as the victim`, async () => {
        for (let at = 1; at <= MOST_CALLS; at++) {
          // Before the first call nothing has happened yet that the call after the last one does not show as well.
          const when = at % 2 === 0 ? 'before' : 'after';
          if (operation !== 'start') await running();
          await bed.engine.close();
          const hit = struck({ operation, at, when, victim });
          await bed.open();
          await recover(`${operation}, ${victim} ${when} call ${at}`);
          if (!hit) return;
        }
        assert.fail('the operation never came to its end');
      });
    }
  }
});

function commandOf(pid: string): string {
  return textOf(`/proc/${pid}/cmdline`);
}
