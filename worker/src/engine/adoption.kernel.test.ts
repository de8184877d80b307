/** What an engine finds when it is opened again after a clean close, a crash or a reboot. Needs root. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { HelperApi } from '../helper/helper-api.js';
import type { ImageConfig } from '../images/image-api.js';
import { identifyProcess } from '../runtime/process-identity.js';
import type { ContainerConfig } from './container-config.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, outputOf, TestRegistry } from './engine-bed.js';

const SIGKILL = 'SIGKILL';
/** Later than any start in here, and nothing that the clock says. */
const ENDED_AT = new Date('2100-01-01T00:00:00Z');

describe('an engine that is opened again', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    ({ ref: image } = await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] }));
    await bed.engine.images.pull(image, {});
  });

  after(async () => {
    await bed.close();
    await registry.close();
  });

  async function started(cmd: readonly string[], more: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await bed.engine.create(containerConfig(image, cmd, more));
    await bed.engine.start(id);
    return id;
  }

  const bundle = (id: string, ...rest: string[]) => join(bed.execRoot, 'containers', id, ...rest);
  const data = (id: string, ...rest: string[]) => join(bed.dataRoot, 'containers', id, ...rest);
  const monitorOf = (id: string) => Number(readFileSync(bundle(id, 'conmon.pid'), 'utf8'));
  const gone = (pid: number) => eventually(() => identifyProcess(pid) === undefined, `process ${pid} is gone`);

  async function reopen(): Promise<void> {
    await bed.engine.close();
    await bed.open();
  }

  it('finds its images, volumes and running containers, which have not noticed', async () => {
    const id = await started(
      ['sh', '-c', 'echo before; while ! test -e /go; do sleep 0.05; done; echo after; exit 6'],
      { networkMode: 'local' },
    );
    await bed.engine.volumes.create({ name: 'kept', labels: { a: 'b' } });
    const before = bed.engine.find(id);
    await reopen();
    const info = bed.engine.find(id);
    assert.equal(info?.state, 'running');
    assert.equal(info?.pid, before?.pid);
    assert.deepEqual(info?.network, before?.network);
    assert.deepEqual(bed.network.restored, [id]);
    assert.equal((await bed.engine.images.find(image))?.id, before?.imageId);
    assert.deepEqual((await bed.engine.volumes.find('kept'))?.labels, { a: 'b' });
    const end = bed.engine.wait(id);
    await bed.engine.exec(id, ['touch', '/go'], {});
    assert.equal((await end).exitCode, 6);
    assert.equal(await outputOf(bed.engine, id), 'before\nafter\n');
  });

  it('takes note of a container that ended meanwhile', async () => {
    const id = await started(['sh', '-c', 'while ! test -e /go; do sleep 0.05; done; exit 8']);
    await bed.engine.close();
    writeFileSync(join(data(id), 'rootfs', 'go'), '');
    const exitFile = join(bed.execRoot, 'exits', id);
    await eventually(() => existsSync(exitFile), 'the monitor has left the exit code');
    utimesSync(exitFile, ENDED_AT, ENDED_AT);
    await bed.open();
    assert.equal(bed.engine.find(id)?.state, 'exited');
    assert.equal(bed.engine.find(id)?.exit?.finishedAtMs, ENDED_AT.getTime());
    assert.equal(bed.engine.find(id)?.exit?.exitCode, 8);
    assert.equal(existsSync(bundle(id)), false);
  });

  it('calls a container lost when nobody saw its end, as after a reboot', async () => {
    const id = await started(['sleep', '1000']);
    const pid = bed.engine.find(id)?.pid ?? 0;
    const monitor = monitorOf(id);
    await bed.engine.close();
    process.kill(monitor, SIGKILL);
    process.kill(pid, SIGKILL);
    await gone(monitor);
    await gone(pid);
    await bed.open();
    const info = bed.engine.find(id);
    assert.equal(info?.state, 'exited');
    assert.equal(info?.exit?.exitCode, 255);
    assert.match(info?.exit?.error ?? '', /monitor died/);
    await bed.engine.start(id);
    assert.equal(bed.engine.find(id)?.state, 'running');
    await bed.engine.stop(id, 0);
  });

  it('does not take another process for its container because it has the same pid', async () => {
    const id = await started(['sleep', '1000']);
    const [pid, monitor] = [bed.engine.find(id)?.pid ?? 0, monitorOf(id)];
    await bed.engine.close();
    process.kill(monitor, SIGKILL);
    process.kill(pid, SIGKILL);
    await gone(pid);
    const path = data(id, 'state.json');
    // As if the pid were ours now: only the start time tells.
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`"pid":${pid}`, `"pid":${process.pid}`));
    await bed.open();
    assert.equal(bed.engine.find(id)?.state, 'exited');
    assert.ok(identifyProcess(process.pid), 'this process lives');
  });

  it('goes on without a container whose record nobody can read, and leaves it as it is', async () => {
    const good = await started(['sleep', '1000']);
    const broken = await bed.engine.create(containerConfig(image, ['true']));
    await bed.engine.close();
    const text = readFileSync(data(broken, 'state.json'), 'utf8');
    writeFileSync(data(broken, 'state.json'), text.slice(0, 100));
    await bed.open();
    assert.deepEqual([bed.engine.find(good)?.state, bed.engine.find(broken)], ['running', undefined]);
    await bed.engine.close();
    writeFileSync(data(broken, 'state.json'), text);
    await bed.open();
    assert.equal(bed.engine.find(broken)?.state, 'created');
    await bed.engine.remove(broken, { force: true, volumes: true });
    await bed.engine.stop(good, 0);
  });

  it('lets a container go on that was paused for a commit, and no other', async () => {
    const [committed, paused] = [await started(['sleep', '1000']), await started(['sleep', '1000'])];
    await bed.engine.pause(paused);
    const record = () => readFileSync(data(committed, 'state.json'), 'utf8');
    let during = '';
    const config = (c: ImageConfig) => {
      during = record();
      return c;
    };
    await bed.engine.commit(committed, { name: '', author: '', comment: '', pause: true, config });
    await bed.engine.pause(committed);
    await bed.engine.close();
    // As if it had ended then.
    writeFileSync(data(committed, 'state.json'), during);
    await bed.open();
    assert.deepEqual([bed.engine.find(committed)?.state, bed.engine.find(paused)?.state], ['running', 'paused']);
    for (const id of [committed, paused]) await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('kills a container whose monitor died', async () => {
    const open = await started(['sleep', '1000']);
    const closed = await started(['sleep', '1000']);
    const pids = [open, closed].map((id) => bed.engine.find(id)?.pid ?? 0);
    process.kill(monitorOf(open), SIGKILL);
    const exit = await bed.engine.wait(open);
    assert.deepEqual([exit.exitCode, exit.error], [137, 'monitor died']);
    await bed.engine.close();
    const monitor = monitorOf(closed);
    process.kill(monitor, SIGKILL);
    await gone(monitor);
    await bed.open();
    assert.equal(bed.engine.find(closed)?.exit?.error, 'monitor died');
    for (const pid of pids) await gone(pid);
  });

  it('takes down a start that was cut short', async () => {
    const id = await started(['sleep', '1000'], { networkMode: 'local' });
    const pid = bed.engine.find(id)?.pid ?? 0;
    await bed.engine.close();
    const state = JSON.parse(readFileSync(data(id, 'state.json'), 'utf8'));
    const { process: _process, network: _network, ...record } = state.record;
    writeFileSync(
      data(id, 'state.json'),
      JSON.stringify({ ...state, record: { ...record, state: 'created', startCount: 0 } }),
    );
    await bed.open();
    await gone(pid);
    assert.equal(bed.engine.find(id)?.state, 'created');
    assert.equal(existsSync(bundle(id)), false);
    assert.equal(existsSync(join(bed.execRoot, 'netns', id)), false);
    await bed.engine.start(id);
    await bed.engine.stop(id, 0);
  });

  it('ends a container whose network cannot be taken up', async () => {
    const id = await started(['sleep', '1000'], { networkMode: 'local' });
    await bed.engine.close();
    const restore = bed.network.restore.bind(bed.network);
    bed.network.restore = async (list) => {
      await restore(list);
      return [id];
    };
    await bed.open();
    bed.network.restore = restore;
    assert.deepEqual(bed.engine.find(id)?.exit?.error, 'its network cannot be taken up again');
    assert.equal(existsSync(join(bed.execRoot, 'netns', id)), false);
  });

  it('starts containers again behind those whose namespaces they share', async () => {
    const always = { restart: { name: 'always', maxRetries: 0 } } as const;
    const shared = (other: string) => ({ networkMode: 'local', networkContainer: other, ...always }) as const;
    const base = await started(['sleep', '1000'], { networkMode: 'local', name: 'base', ...always });
    const between = await started(['sleep', '1000'], { ...shared('base'), name: 'between' });
    const last = await started(['sleep', '1000'], shared(between));
    const all = [last, between, base];
    const killed = all.flatMap((id) => [monitorOf(id), bed.engine.find(id)?.pid ?? 0]);
    await bed.engine.close();
    for (const pid of killed) process.kill(pid, SIGKILL);
    for (const pid of killed) await gone(pid);
    await bed.open();
    const state = () => all.map((id) => bed.engine.find(id)?.state).join();
    await eventually(() => state() === 'running,running,running', `all run again: ${state()}`);
    for (const id of all) await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('starts nothing again before it has swept what was left', async () => {
    const id = await started(['false'], { networkMode: 'local', restart: { name: 'always', maxRetries: 0 } });
    const isWaiting = () => {
      const { state, restartCount = 0 } = bed.engine.find(id) ?? {};
      return state === 'restarting' && restartCount >= 3;
    };
    await eventually(isWaiting, 'the container waits to be started again');
    await bed.engine.close();
    const left = join(bed.execRoot, 'netns', '3'.repeat(64));
    writeFileSync(left, '');
    const order: string[] = [];
    const attach = bed.network.attach.bind(bed.network);
    bed.network.attach = (...args) => {
      order.push('started');
      return attach(...args);
    };
    const helper: HelperApi = new Proxy<HelperApi>(bed.helper, {
      get: (target, name) => {
        if (name === 'detachLocal')
          return async (path: string) => {
            if (path !== left) return target.detachLocal(path);
            await new Promise((resolve) => setTimeout(resolve, 300));
            rmSync(left);
            order.push('swept');
          };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    await bed.open({ helper });
    await eventually(() => order.includes('started'), 'the container is started again');
    bed.network.attach = attach;
    await bed.engine.remove(id, { force: true, volumes: true });
    assert.deepEqual(order.slice(0, 2), ['swept', 'started']);
  });

  it('sweeps what was half made', async () => {
    await bed.engine.close();
    const garbage = [
      data('0'.repeat(64), 'upper'),
      join(bed.dataRoot, 'containers', `removing-${'1'.repeat(64)}`, 'upper'),
      join(bed.dataRoot, 'overlay', 'tmp-123', 'diff'),
      join(bed.dataRoot, 'images', 'tmp', 'partial'),
      join(bed.dataRoot, 'volumes', '.removing-1', '_data'),
      join(bed.execRoot, 'attach', 'files-123', 'stdin'),
    ];
    for (const path of garbage) mkdirSync(path, { recursive: true });
    const unnamed = join(bed.dataRoot, 'images', 'blobs', 'sha256', '2'.repeat(64));
    writeFileSync(unnamed, 'nobody names this');
    await bed.open();
    for (const path of [...garbage, unnamed]) assert.equal(existsSync(path), false, path);
    assert.ok(await bed.engine.images.find(image));
  });

  it('mends the link of a layer that was being unpacked', async () => {
    await bed.engine.close();
    const links = join(bed.dataRoot, 'overlay', 'l');
    const [name = ''] = readdirSync(links);
    renameSync(join(links, name), join(links, 'zzz'));
    await bed.open();
    assert.deepEqual(readdirSync(links), [name]);
  });

  it('is not misled by an exit file of an earlier run', async () => {
    const id = await bed.engine.create(containerConfig(image, ['sleep', '1000']));
    const stale = join(bed.execRoot, 'exits', id);
    writeFileSync(stale, '9');
    await bed.engine.start(id);
    assert.equal(existsSync(stale), false);
    await reopen();
    assert.equal(bed.engine.find(id)?.state, 'running');
    await bed.engine.stop(id, 0);
  });

  it('finishes a log rotation that was cut short', async () => {
    const log = { driver: 'json-file', options: { 'max-size': '1g', 'max-file': '3' } };
    const id = await started(['sh', '-c', 'echo first; while ! test -e /go; do sleep 0.05; done; echo second'], {
      log,
    });
    const path = bed.engine.find(id)?.logPath ?? '';
    await eventually(async () => (await outputOf(bed.engine, id)) === 'first\n', 'it has written');
    await bed.engine.close();
    renameSync(path, `${path}.1`);
    await bed.open();
    await eventually(() => existsSync(path), 'the monitor has a new file');
    await bed.engine.exec(id, ['touch', '/go'], {});
    await bed.engine.wait(id);
    assert.equal(await outputOf(bed.engine, id), 'first\nsecond\n');
    assert.match(readFileSync(path, 'utf8'), /second/);
  });

  it('still knows that a container is healthy', async () => {
    const health = {
      test: ['CMD', 'true'],
      intervalNs: 20e6,
      timeoutNs: 5e9,
      startPeriodNs: 0,
      startIntervalNs: 20e6,
      retries: 3,
    };
    const id = await started(['sleep', '1000'], { health: { ...health } });
    await eventually(() => bed.engine.find(id)?.health === 'healthy', 'it is healthy');
    await reopen();
    assert.equal(bed.engine.find(id)?.health, 'healthy');
    await bed.engine.stop(id, 0);
  });

  it('ends followers and waiters when it is closed', async () => {
    const id = await started(['sleep', '1000']);
    const follower = outputOf(bed.engine, id, { follow: true });
    const waiter = assert.rejects(bed.engine.wait(id), /closing/);
    await reopen();
    assert.equal(await follower, '');
    await waiter;
  });
});
