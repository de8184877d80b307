import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLogger, systemClock } from '@swarmts/lib';
import {
  Assignments,
  AssignmentsKind,
  ContainerSpec,
  containerName,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import type { CsiPlugins } from '../csi/csi-plugins.js';
import type { ContainerEngine } from '../engine/engine-api.js';
import { TASK_ID_LABEL } from './container-config.js';
import { TaskManager } from './task-manager.js';

/** Containers that take their time to stop. */
class SlowEngine {
  readonly calls: string[] = [];
  health = 'none';
  readonly #containers = new Map<string, { id: string; state: string; task: string }>();
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
      config: { name, labels: { [TASK_ID_LABEL]: c.task }, mounts: [] },
      health: this.health,
      ports: [],
      ...(c.state === 'exited' ? { exit: { exitCode: 143, error: '' } } : {}),
    }));
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
    for (const [name, c] of this.#containers) if (c.id === id) this.#containers.delete(name);
  }
}

describe('the tasks of a node', () => {
  let dir: string;
  let engine: SlowEngine;
  let tasks: TaskManager;
  let reported: TaskStatus[];
  beforeEach(() => {
    reported = [];
    dir = mkdtempSync(join(tmpdir(), 'swarmts-tasks-'));
    engine = new SlowEngine();
    tasks = new TaskManager({
      dir,
      // What the manager of tasks asks of an engine.
      engine: engine as unknown as ContainerEngine,
      nodeHostname: 'node',
      clock: systemClock,
      log: silentLogger,
      networks: { apply: () => undefined, inForce: async () => undefined, states: () => [] },
      csiPlugins: { onChange: () => () => undefined } as unknown as CsiPlugins,
      volumesDir: join(dir, 'volumes'),
      volumesUnpublished: () => undefined,
      report: (_, status) => reported.push(status),
    });
  });
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
});
