import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, SimulatedClock, silentLogger, systemClock } from '@swarmts/lib';
import {
  Assignments,
  AssignmentsKind,
  ContainerSpec,
  containerName,
  Mount,
  MountType,
  Secret,
  SecretSpec,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
  VolumeAssignment,
  VolumeInfo,
  VolumeSpec,
} from '@swarmts/proto';
import type { CsiPlugins } from '../csi/csi-plugins.js';
import type { ContainerConfig } from '../engine/container-config.js';
import type { ContainerEngine } from '../engine/engine-api.js';
import { AssignmentFile } from './assignment-file.js';
import { TASK_ID_LABEL } from './container-config.js';
import { TaskManager } from './task-manager.js';

/** Containers that take their time to stop. */
class SlowEngine {
  readonly calls: string[] = [];
  health = 'none';
  /** Nothing can be removed. */
  resists = false;
  readonly #containers = new Map<
    string,
    { id: string; state: string; task: string; config?: object; failed?: true; isEmpty?: true }
  >();
  #stopped: () => void = () => undefined;
  readonly stopping = new Promise<void>((resolve) => {
    this.#stopped = resolve;
  });

  add(task: Task): void {
    this.#containers.set(containerName(task), { id: `c-${task.id}`, state: 'running', task: task.id });
  }

  letStop(): void {
    this.#stopped();
  }

  list = () =>
    [...this.#containers].map(([name, c]) => ({
      ...c,
      config: { name, labels: { [TASK_ID_LABEL]: c.task }, mounts: [], ...c.config } as unknown as ContainerConfig,
      health: this.health,
      ports: [],
      ...(c.state === 'exited' || c.failed ? { exit: { exitCode: 143, error: '' } } : {}),
    }));
  images = {
    find: async () => ({}),
    pull: async (_: string, { auth }: { readonly auth?: { readonly username: string } }) =>
      void this.calls.push(`pull as ${auth?.username}`),
  };

  /** As a new process finds it, which does not have the contents of files. */
  reopen(): void {
    this.calls.length = 0;
    for (const c of this.#containers.values()) c.isEmpty = true;
  }

  async create(config: { readonly name: string; readonly labels: Readonly<Record<string, string>> }): Promise<void> {
    const task = config.labels[TASK_ID_LABEL] ?? '';
    this.calls.push(`create ${task}`);
    this.#containers.set(config.name, { id: `c-${task}`, state: 'created', task, config });
  }
  async start(id: string): Promise<void> {
    this.calls.push(`start ${id}`);
    const { config, isEmpty } = this.find(id) ?? {};
    if (isEmpty && config?.files?.length) throw new Error('the files of this container are gone');
    for (const c of this.#containers.values())
      if (c.id === id) Object.assign(c, this.resists ? { failed: true } : { state: 'running' });
    if (this.resists) throw new Error('no such program');
  }
  find = (ref: string) => this.list().find((c) => c.id === ref || c.config.name === ref);
  onEvent = () => () => undefined;
  wait = (_: string, signal: AbortSignal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

  async stop(id: string): Promise<void> {
    this.calls.push(`stop ${id}`);
    await this.stopping;
    for (const c of this.#containers.values()) if (c.id === id) c.state = 'exited';
  }

  async remove(id: string): Promise<void> {
    this.calls.push(`remove ${id}`);
    if (this.resists) throw new Error('device or resource busy');
    for (const [name, c] of this.#containers) if (c.id === id) this.#containers.delete(name);
  }
}

describe('the tasks of a node', () => {
  let dir: string;
  let engine: SlowEngine;
  let tasks: TaskManager;
  let reported: TaskStatus[];
  let unpublished: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-tasks-'));
    engine = new SlowEngine();
    tasks = open();
  });
  const plugin = { mount: async () => undefined, unmount: async () => undefined };
  const open = (clock: Clock = systemClock) => {
    reported = [];
    unpublished = [];
    return new TaskManager({
      dir,
      // What the manager of tasks asks of an engine.
      engine: engine as unknown as ContainerEngine,
      nodeHostname: 'node',
      clock,
      log: silentLogger,
      networks: { apply: () => undefined, inForce: async () => undefined, states: () => [] },
      csiPlugins: { plugin: () => plugin } as unknown as CsiPlugins,
      volumesDir: join(dir, 'volumes'),
      volumesUnpublished: (ids) => unpublished.push(...ids),
      report: (_, status) => reported.push(status),
    });
  };
  afterEach(async () => {
    engine.letStop();
    await tasks.close();
    rmSync(dir, { recursive: true });
  });

  const running = (id: string) =>
    Task.create({
      id,
      serviceAnnotations: { name: 'web', labels: {} },
      slot: 1,
      desiredState: TaskState.RUNNING,
      status: TaskStatus.create({ state: TaskState.RUNNING }),
      spec: TaskSpec.create({ container: ContainerSpec.create({ image: 'i' }) }),
    });
  const complete = (resultsIn: number, ...list: Task[]) =>
    Assignments.create({ kind: AssignmentsKind.COMPLETE_SET, resultsIn, tasks: list });

  it('are given their time to stop when a full set has them no more, also by the full sets that follow', async () => {
    const task = running('t1');
    engine.add(task);
    tasks.apply(complete(1, task));
    await delay(5);
    tasks.apply(complete(2));
    await delay(5);
    tasks.apply(complete(3));
    await delay(5);
    assert.deepEqual(engine.calls, ['stop c-t1']);
    engine.letStop();
    while (engine.list().length > 0) await delay(2);
    assert.equal(engine.calls.at(-1), 'remove c-t1');
  });

  it('have failed when their container was stopped for being unhealthy, whatever its exit code', async () => {
    const task = running('t1');
    engine.add(task);
    engine.health = 'unhealthy';
    engine.letStop();
    tasks.apply(complete(1, task));
    while (reported.at(-1)?.state !== TaskState.FAILED) await delay(2);
    assert.equal(reported.at(-1)?.err, 'task: non-zero exit (143): dockerexec: unhealthy container');
  });

  it('that nobody knows any more are stopped in order, and removed', async () => {
    engine.add(running('stray'));
    tasks.apply(complete(1));
    await delay(5);
    assert.deepEqual(engine.calls, ['stop c-stray']);
    engine.letStop();
    while (engine.list().length > 0) await delay(2);
    assert.deepEqual(engine.calls, ['stop c-stray', 'remove c-stray']);
  });

  it('do not keep their volumes when they could not be started', async () => {
    const volumes = [{ volumeId: 'v', source: 'data', target: '/data' }];
    const spec = VolumeSpec.create({ driver: { name: 'disk.csi', options: {} } });
    const v = VolumeAssignment.create({ id: 'v', spec, info: VolumeInfo.create({ volumeId: 'disk-1' }) });
    const container = ContainerSpec.create({
      image: 'i',
      mounts: [Mount.create({ type: MountType.CLUSTER, source: 'data', target: '/data' })],
    });
    const status = TaskStatus.create({ state: TaskState.ASSIGNED });
    const task = { ...running('t1'), status, volumes, spec: TaskSpec.create({ container }) };
    engine.resists = true;
    tasks.apply({ ...complete(1, task), volumes: [v] });
    while (reported.at(-1)?.state !== TaskState.FAILED) await delay(2);
    const withdrawn = { kind: AssignmentsKind.INCREMENTAL, appliesTo: 1, resultsIn: 2, removedVolumeIds: ['v'] };
    tasks.apply(Assignments.create(withdrawn));
    for (let i = 0; i < 300 && unpublished.length === 0; i++) await delay(5);
    assert.deepEqual(unpublished, ['v']);
  });

  it('come no more once the node leaves the swarm', async () => {
    const task = running('t1');
    engine.add(task);
    tasks.apply(complete(1, task));
    const leaving = tasks.removeAll();
    const more = { ...running('t2'), status: TaskStatus.create({ state: TaskState.ASSIGNED }) };
    const increment = { kind: AssignmentsKind.INCREMENTAL, appliesTo: 1, resultsIn: 2, tasks: [more] };
    assert.equal(tasks.apply(Assignments.create(increment)), true);
    engine.letStop();
    await leaving;
    await delay(20);
    assert.deepEqual([engine.calls, engine.list()], [['stop c-t1', 'stop c-t1', 'remove c-t1'], []]);
  });

  it('stay behind when the node leaves and they cannot be removed for half a minute', async () => {
    const clock = new SimulatedClock();
    await tasks.close();
    tasks = open(clock);
    const task = running('t1');
    engine.add(task);
    engine.letStop();
    engine.resists = true;
    tasks.apply(complete(1, task));
    let left = false;
    const leaving = tasks.removeAll().then(() => {
      left = true;
    });
    for (let i = 0; i < 30; i++) {
      assert.equal(left, false);
      await delay(1);
      await clock.advance(1_000);
    }
    for (let i = 0; i < 5 && !left; i++) {
      await delay(1);
      await clock.advance(1_000);
    }
    await leaving;
    assert.ok(engine.calls.length > 20, `${engine.calls.length}`);
  });

  describe('after a restart', () => {
    const secret = Secret.create({ id: 's', spec: SecretSpec.create({ data: Buffer.from('x') }) });
    const registryAuth = Buffer.from(JSON.stringify({ username: 'somebody', password: 'p' })).toString('base64');
    const inState = (state: TaskState, desiredState: TaskState, container: Partial<ContainerSpec>): Task => ({
      ...{ ...running('t1'), desiredState, status: TaskStatus.create({ state }) },
      spec: TaskSpec.create({ container: ContainerSpec.create({ image: 'i', ...container }) }),
    });
    const withSecret = {
      secrets: [{ secretId: 's', secretName: 's', file: { name: 's', uid: '0', gid: '0', mode: 0o444 } }],
    } as unknown as Partial<ContainerSpec>;

    /** A new run, which has the file and the containers of the one before. */
    const restart = async (task: Task) => {
      await tasks.close();
      const file = new AssignmentFile(dir, systemClock);
      file.save([task], [], assert.ifError);
      await file.flushed();
      engine.reopen();
      tasks = open();
      await tasks.restore();
      await delay(20);
    };

    it('are started with the secrets that the managers send anew', async () => {
      const ready = inState(TaskState.ASSIGNED, TaskState.READY, withSecret);
      tasks.apply({ ...complete(1, ready), secrets: [secret] });
      while (reported.at(-1)?.state !== TaskState.READY) await delay(2);
      const started = inState(TaskState.READY, TaskState.RUNNING, withSecret);
      await restart(started);
      assert.deepEqual(engine.calls, []);
      tasks.apply({ ...complete(1, started), secrets: [secret] });
      while ((reported.at(-1)?.state ?? 0) < TaskState.RUNNING) await delay(2);
      assert.deepEqual([engine.calls, reported.at(-1)?.err], [['remove c-t1', 'create t1', 'start c-t1'], '']);
    });

    it('pull with the credentials that the managers send anew', async () => {
      const task = inState(TaskState.ACCEPTED, TaskState.RUNNING, { registryAuth });
      await restart(task);
      assert.deepEqual(engine.calls, []);
      tasks.apply(complete(1, task));
      while ((reported.at(-1)?.state ?? 0) < TaskState.RUNNING) await delay(2);
      assert.deepEqual(engine.calls, ['pull as somebody', 'create t1', 'start c-t1']);
    });

    it('are not begun when the managers have given them to another node meanwhile', async () => {
      const ready = inState(TaskState.ASSIGNED, TaskState.READY, {});
      tasks.apply(complete(1, ready));
      while (reported.at(-1)?.state !== TaskState.READY) await delay(2);
      await restart(inState(TaskState.READY, TaskState.COMPLETE, {}));
      assert.deepEqual(engine.calls, []);
      engine.letStop();
      tasks.apply(complete(1));
      while (engine.list().length > 0) await delay(2);
      assert.deepEqual(engine.calls, ['stop c-t1', 'remove c-t1']);
    });

    it('go on where they run, before the managers have said anything', async () => {
      const task = running('t1');
      engine.add(task);
      engine.health = 'unhealthy';
      engine.letStop();
      await restart(task);
      while (reported.at(-1)?.state !== TaskState.FAILED) await delay(2);
    });
  });
});
