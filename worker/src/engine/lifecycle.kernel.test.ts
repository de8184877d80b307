/** What happens to containers after they were started: restarts, removal, limits, names, numbers. Needs root. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig, RestartPolicy } from './container-config.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, outputOf, TestRegistry } from './engine-bed.js';

describe('the life of a container', function () {
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

  async function started(script: string, more: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', script], more));
    await bed.engine.start(id);
    return id;
  }

  const restart = (name: RestartPolicy['name'], maxRetries = 0) => ({ restart: { name, maxRetries } });
  const info = (id: string) => bed.engine.find(id);
  const exited = (id: string) => eventually(() => info(id)?.state === 'exited', 'it has exited');

  it('on-failure restarts so often and no more', async () => {
    const id = await started('echo run; exit 3', restart('on-failure', 2));
    await eventually(() => info(id)?.state === 'exited' && info(id)?.restartCount === 2, 'it gives up');
    assert.equal(await outputOf(bed.engine, id), 'run\nrun\nrun\n');
    assert.equal(info(id)?.exit?.exitCode, 3);
    const fine = await started('exit 0', restart('on-failure', 2));
    await exited(fine);
    assert.equal(info(fine)?.restartCount, 0);
  });

  it('on-failure restarts also what was sent a signal that is not to stop it', async () => {
    const loop = 'while ! test -e /again; do sleep 0.05; done; exit 3';
    const id = await started(
      `test -e /again && exec sleep 1000; trap ": > /again" HUP; : > /ready; ${loop}`,
      restart('on-failure', 5),
    );
    await eventually(async () => {
      const ready = await bed.engine.exec(id, ['test', '-e', '/ready'], {});
      return ready.code === 0;
    }, 'it takes signals');
    await bed.engine.kill(id, 'HUP');
    await eventually(() => info(id)?.restartCount === 1 && info(id)?.state === 'running', 'it runs again');
    await bed.engine.kill(id, 'KILL');
    await exited(id);
    assert.equal(info(id)?.restartCount, 1);
  });

  it('a stop ends what restarts always, also between two runs', async () => {
    const id = await started('exit 1', restart('always'));
    await eventually(() => info(id)?.state === 'restarting', 'it waits for its next run');
    await assert.rejects(bed.engine.remove(id, { force: false, volumes: false }), /container is restarting: stop the/);
    const waiting = bed.engine.wait(id);
    await bed.engine.stop(id, 0);
    assert.equal(info(id)?.state, 'exited');
    assert.equal((await waiting).exitCode, 1, 'whoever waits for the end has it');
    const running = await started('sleep 1000', restart('always'));
    await bed.engine.stop(running, 0);
    assert.equal(info(running)?.state, 'exited');
    await bed.engine.start(running);
    assert.equal(info(running)?.state, 'running');
    await bed.engine.kill(running, 'KILL');
    assert.deepEqual([info(running)?.state, info(running)?.exit?.exitCode], ['exited', 137]);
  });

  it('is stopped also when somebody freezes it meanwhile', async () => {
    const id = await started('trap "" TERM; echo ready; while :; do sleep 0.05; done');
    await eventually(async () => (await outputOf(bed.engine, id)) === 'ready\n', 'it is ready');
    const stopping = bed.engine.stop(id, 1);
    await eventually(() => bed.engine.pause(id).then(() => true), 'it is frozen');
    await stopping;
    assert.deepEqual([info(id)?.state, info(id)?.exit?.exitCode], ['exited', 137]);
    await bed.engine.start(id);
    await bed.engine.pause(id);
    await bed.engine.kill(id, 'KILL');
    await exited(id);
  });

  it('is gone after its removal, whoever starts it at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await started('sleep 1000');
      const removing = bed.engine.remove(id, { force: true, volumes: true });
      const starting = bed.engine.start(id).catch(() => undefined);
      await Promise.all([removing, starting]);
      assert.equal(info(id), undefined);
    }
  });

  it('shares a volume that is mounted with those that start at the same time', async () => {
    await bed.engine.volumes.create({ name: 'mounted', options: { type: 'tmpfs', device: 'tmpfs' } });
    const mounts = [{ type: 'volume' as const, source: 'mounted', target: '/m', readOnly: false }];
    const ids = await Promise.all(
      ['a', 'b', 'c'].map((name) => started(`echo ${name} >/m/${name}; sleep 1000`, { mounts })),
    );
    for (const id of ids) {
      const list = async () => Buffer.from((await bed.engine.exec(id, ['ls', '/m'], {})).stdout).toString();
      await eventually(async () => (await list()) === 'a\nb\nc\n', 'it sees what the others have written');
    }
    for (const id of ids) await bed.engine.remove(id, { force: true, volumes: false });
    await bed.engine.volumes.remove('mounted', false);
  });

  it('signals that are not the stop signal do not end the policy', async () => {
    const id = await started('trap "exit 1" USR1; echo ready; while :; do sleep 0.05; done', restart('always'));
    await eventually(async () => (await outputOf(bed.engine, id)) === 'ready\n', 'it is ready');
    await bed.engine.kill(id, 'USR1');
    await eventually(() => info(id)?.restartCount === 1 && info(id)?.state === 'running', 'it runs again');
    await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('policies hold over a restart of the engine', async () => {
    const [always, unless, stopped] = await Promise.all([
      started('sleep 1000', restart('always')),
      started('sleep 1000', restart('unless-stopped')),
      started('sleep 1000', restart('unless-stopped')),
    ]);
    await bed.engine.stop(stopped, 0);
    await bed.engine.stop(always, 0);
    const pid = info(unless)?.pid ?? 0;
    await bed.engine.close();
    // It ends while nobody looks.
    await bed.helper.kill(pid, 9);
    await eventually(() => !existsSync(`/proc/${pid}/root`), 'it is gone');
    await bed.open();
    await eventually(() => [always, unless].every((id) => info(id)?.state === 'running'), 'both run again');
    assert.equal(info(stopped)?.state, 'exited');
    for (const id of [always, unless]) await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('removes itself and its anonymous volumes when it was made for that, and says so to those who wait', async () => {
    const volume = { type: 'volume', source: '', target: '/data', readOnly: false } as const;
    const id = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'exit 5'], { autoRemove: true, mounts: [volume] }),
    );
    const removed = bed.engine.wait(id, undefined, 'removed');
    const next = bed.engine.wait(id, undefined, 'next-exit');
    await bed.engine.start(id);
    assert.equal((await next).exitCode, 5);
    assert.equal((await removed).exitCode, 5);
    await eventually(() => info(id) === undefined, 'nobody knows it');
    await eventually(async () => (await bed.engine.volumes.list()).length === 0, 'the volume is gone');
    const failing = await bed.engine.create(containerConfig(image, ['nosuch'], { autoRemove: true }));
    const goes = bed.engine.wait(failing, undefined, 'removed');
    await assert.rejects(bed.engine.start(failing));
    await eventually(() => info(failing) === undefined, 'one that did not start goes as well');
    const { exitCode, error } = await goes;
    assert.deepEqual([exitCode, error], [127, ''], 'its removal has not failed');
  });

  it('has no exit when it did not start: those who wait for the next one go on waiting', async () => {
    const id = await bed.engine.create(containerConfig(image, ['nosuch']));
    let waiting = true;
    const next = bed.engine.wait(id, undefined, 'next-exit').finally(() => {
      waiting = false;
    });
    await assert.rejects(bed.engine.start(id));
    assert.equal((await bed.engine.wait(id)).exitCode, 127);
    assert.equal(waiting, true);
    await bed.engine.remove(id, { force: false, volumes: true });
    await next;
  });

  it('restart keeps what removes itself, and starts what is stopped', async () => {
    const id = await started('sleep 1000', { autoRemove: true });
    const before = info(id)?.pid;
    await bed.engine.restart(id, 0);
    assert.equal(info(id)?.state, 'running');
    assert.notEqual(info(id)?.pid, before);
    await bed.engine.stop(id, 0);
    await eventually(() => info(id) === undefined, 'it is removed in the end');
  });

  it('takes other limits while it runs', async () => {
    const id = await started('sleep 1000', {
      resources: { nanoCpus: 0, memoryBytes: 64 << 20, memoryReservationBytes: 0, pidsLimit: 50 },
    });
    await bed.engine.update(id, {
      resources: { memoryBytes: 128 << 20, memorySwapBytes: 256 << 20, pidsLimit: 60 },
      restart: { name: 'on-failure', maxRetries: 1 },
    });
    const stats = bed.engine.stats(id);
    assert.deepEqual([stats?.memory.limit, stats?.pids.limit], [128 << 20, 60]);
    assert.equal(info(id)?.config.restart?.name, 'on-failure');
    assert.equal(info(id)?.config.resources.memoryBytes, 128 << 20);
    await bed.engine.remove(id, { force: true, volumes: false });
    const once = await bed.engine.create(containerConfig(image, ['true'], { autoRemove: true }));
    await assert.rejects(
      bed.engine.update(once, { restart: { name: 'always', maxRetries: 0 } }),
      /Restart policy cannot be updated because AutoRemove is enabled for the container/,
    );
    await bed.engine.remove(once, { force: true, volumes: false });
  });

  it('gets another name, which is free afterwards', async () => {
    const id = await bed.engine.create(containerConfig(image, ['true'], { name: 'first' }));
    const other = await bed.engine.create(containerConfig(image, ['true'], { name: 'other' }));
    await assert.rejects(bed.engine.rename(id, 'other'), /The container name "\/other" is already in use/);
    await assert.rejects(bed.engine.rename(id, 'first'), /same name as its current name/);
    await assert.rejects(bed.engine.rename(id, 'a/b'), /Invalid container name/);
    await bed.engine.rename(id, 'second');
    assert.equal(bed.engine.find('second')?.id, id);
    assert.equal(bed.engine.find('first'), undefined);
    const again = await bed.engine.create(containerConfig(image, ['true'], { name: 'first' }));
    for (const c of [id, other, again]) await bed.engine.remove(c, { force: true, volumes: false });
  });

  it('says what it uses, and which processes are in it', async () => {
    const id = await started('dd if=/dev/zero of=/dev/null bs=1M & sleep 1000; true');
    await eventually(() => (bed.engine.stats(id)?.cpu.totalNs ?? 0) > 50e6, 'it has used the processor');
    const stats = bed.engine.stats(id);
    assert.ok(stats && stats.memory.usage > 0 && stats.pids.current === 3 && stats.cpu.systemNs > stats.cpu.totalNs);
    const { titles, rows } = await bed.engine.top(id, '-eo pid,args');
    assert.deepEqual(titles, ['PID', 'COMMAND']);
    assert.equal(rows.length, 3);
    assert.ok(rows.some(([, command]) => command?.includes('dd if=/dev/zero')));
    await assert.rejects(bed.engine.top(id, '-eo args'), /Couldn't find PID field in ps output/);
    await bed.engine.stop(id, 0);
    assert.equal(bed.engine.stats(id), undefined);
    await assert.rejects(bed.engine.top(id, ''), /is not running/);
  });

  it('counts the bytes that it has written', async () => {
    const id = await started('dd if=/dev/zero of=/file bs=1024 count=100 && exec sleep 1000');
    await eventually(async () => (await bed.engine.sizes(id)).ownBytes === 102_400, 'they are counted');
    const { totalBytes } = await bed.engine.sizes(id);
    assert.ok(totalBytes > 102_400);
    await bed.engine.remove(id, { force: true, volumes: false });
    assert.ok(!existsSync(join(bed.dataRoot, 'containers', id)));
  });
});
