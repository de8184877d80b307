/**
 * A daemon that is killed at every call with which a pull changes files, and an unpacking child that is: whoever opens the engine next finds
 * the image whole or not at all, nothing half-made, and pulls it anew. Needs root.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_PAST } from '../engine/crash-child.js';
import { busyboxLayer, containerConfig, EngineBed, runToEnd, TestRegistry, tarOf } from '../engine/engine-bed.js';
import type { HelperApi, PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';

const CHILD = fileURLToPath(new URL('../engine/crash-child.js', import.meta.url));
const CRASH_FILES = new URL('../engine/crash-files.js', import.meta.url).href;
const CHILD_MS = 30_000;
/** All of them take a minute. An odd number, so that kills before and after a call take turns. */
const STRIDE = Number(process.env.KILLS_STRIDE ?? 9);
/** More calls than a pull makes. */
const MOST_CALLS = 200;

describe('a kill in the middle of a pull', function () {
  this.timeout(120_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  /** What the unpacking children are told: the call at which they end themselves. */
  let unpackerAt = '';
  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start({}, crashingUnpacker(await startHelper()));
    const top = await tarOf([
      { name: 'etc/', type: 'directory' },
      { name: 'etc/new', content: 'second layer\n' },
      { name: 'bin/.wh.false', content: '' },
      { name: 'link', type: 'symlink', linkname: 'etc/new' },
    ]);
    const layers = [{ tar: await busyboxLayer() }, { tar: top }];
    image = (await registry.push('two', layers, { Env: ['PATH=/bin'] })).ref;
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  function crashingUnpacker(helper: PrivilegedHelper): PrivilegedHelper {
    const run: HelperApi['run'] = (spec, signal) => {
      const [node = '', main = '', ...args] = spec.argv;
      if (unpackerAt === '' || !main.endsWith('unpack-main.js')) return helper.run(spec, signal);
      const argv = [node, '--import', CRASH_FILES, main, ...args];
      return helper.run({ ...spec, argv, env: { ...spec.env, CRASH_FILES_AT: unpackerAt } }, signal);
    };
    return new Proxy(helper, {
      get: (target, name) => {
        if (name === 'run') return run;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** False when the pull was over before the call. */
  function killedDaemon(at: number, when: 'before' | 'after'): boolean {
    const { dataRoot, execRoot, cgroupParent } = bed;
    const plan = { operation: 'pull', at: 0, when, victim: 'daemon', dataRoot, execRoot, cgroupParent, image };
    const child = spawnSync(process.execPath, ['--import', CRASH_FILES, CHILD, JSON.stringify(plan)], {
      encoding: 'utf8',
      timeout: CHILD_MS,
      env: { ...process.env, CRASH_FILES_AT: `${at}:${when}`, CRASH_FILES_ARMED: 'no' },
    });
    if (child.status === EXIT_PAST) return false;
    assert.equal(child.signal, 'SIGKILL', child.stderr || `ended with ${child.status}`);
    return true;
  }

  const named = (...path: string[]) => readdirSync(join(bed.dataRoot, ...path));

  function assertNothingHalfMade(where: string): void {
    assert.deepEqual(named('images', 'tmp'), [], where);
    assert.deepEqual(named('images').sort(), [...new Set(['blobs', ...refsFile(), 'tmp'])], where);
    const odd = named('overlay').filter((n) => !/^([0-9a-f]{64}|l|base)$/.test(n));
    assert.deepEqual(odd, [], where);
    const layers = named('overlay').filter((n) => /^[0-9a-f]{64}$/.test(n));
    assert.equal(named('overlay', 'l').length, layers.length, `${where}: links`);
  }

  const refsFile = () => (existsSync(join(bed.dataRoot, 'images', 'refs.json')) ? ['refs.json'] : []);

  /** The image works, and goes without a trace. */
  async function pullAnew(where: string): Promise<void> {
    await bed.engine.images.pull(image, {});
    const script = 'cat /link; test -e /bin/false || echo gone; true';
    const { id, output } = await runToEnd(bed.engine, containerConfig(image, ['sh', '-c', script]));
    assert.equal(output, 'second layer\ngone\n', where);
    await bed.engine.remove(id, { force: true, volumes: true });
    await bed.engine.images.remove(image, true);
    assert.deepEqual(named('images', 'blobs', 'sha256'), [], where);
    assert.deepEqual(named('overlay').sort(), ['base', 'l'], where);
  }

  it('of the daemon leaves the image whole or not there', async () => {
    let kills = 0;
    for (let at = 1; at <= MOST_CALLS; at += STRIDE) {
      const when = at % 2 === 0 ? 'before' : 'after';
      const where = `${when} call ${at}`;
      await bed.engine.close();
      const hit = killedDaemon(at, when);
      await bed.open();
      assertNothingHalfMade(where);
      await pullAnew(where);
      if (!hit) break;
      kills++;
    }
    assert.ok(kills >= 20 / STRIDE && kills < MOST_CALLS / STRIDE, `${kills} kills`);
  });

  it('of the child that unpacks fails the pull and leaves nothing', async () => {
    let kills = 0;
    for (let at = 1; at <= MOST_CALLS; at += STRIDE) {
      unpackerAt = `${at}:${at % 2 === 0 ? 'before' : 'after'}`;
      const failure = await bed.engine.images.pull(image, {}).then(
        () => undefined,
        (e: unknown) => String(e),
      );
      unpackerAt = '';
      assertNothingHalfMade(`unpacker, call ${at}`);
      if (failure === undefined) break;
      assert.match(failure, /failed to register layer: unpacking ended with SIGKILL/);
      kills++;
    }
    assert.ok(kills >= 20 / STRIDE && kills < MOST_CALLS / STRIDE, `${kills} kills`);
    await pullAnew('after all');
  });
});
