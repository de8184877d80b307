/**
 * How fast tasks get their nodes: the scheduling loop on a real store (each decision encoded, committed, applied and told to those
 * who watch), with simulated nodes. The yardstick is what swarmkit's own benchmark does; that cannot be run here, so the goal is a number.
 */
import { type Clock, seededRandom, silentLogger, systemClock } from '@swarmts/lib';
import { localStore, SchedulingLoop, type Store } from '@swarmts/manager';
import {
  ContainerSpec,
  Node,
  NodeDescription,
  NodeSpec,
  NodeState,
  NodeStatus,
  observedState,
  Placement,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { reportAbsolute } from '../measure.js';

/** Tasks a second that are wanted at any size. */
const GOAL = 50_000;
const ROUNDS = 5;
const ZONES = 10;
/** As the store's own limit of changes: how many tasks are made at once. */
const MADE_AT_ONCE = 150;

interface Size {
  readonly nodes: number;
  readonly tasks: number;
  readonly constrained: boolean;
}

const SIZES: readonly Size[] = [
  { nodes: 1_000, tasks: 10_000, constrained: false },
  { nodes: 1_000, tasks: 100_000, constrained: false },
  { nodes: 5_000, tasks: 100_000, constrained: true },
  { nodes: 10_000, tasks: 100_000, constrained: true },
];

export async function schedule(): Promise<boolean> {
  let met = true;
  for (const size of SIZES) {
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rates.push(await rate(size));
    const name = `schedule, ${size.nodes} nodes, ${size.tasks} tasks${size.constrained ? ', with a constraint and a preference' : ''}`;
    met = reportAbsolute({ benchmark: name, unit: 'tasks/s', values: rates, goal: GOAL, higherIsBetter: true }) && met;
  }
  return met;
}

/** Tasks a second, from the first that is pending to the last that is assigned. */
async function rate(size: Size): Promise<number> {
  const store = localStore(() => Date.now());
  await fill(store, size);
  const onStuck = (e: unknown) => {
    throw e;
  };
  // Without the wait for nodes that come back to a new leader.
  const clock: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(Math.min(ms, 1), fn) };
  const loop = new SchedulingLoop({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
  let assigned = 0;
  const done = new Promise<void>((resolve) => {
    store.watch({
      change: (c) => {
        if (c.kind === 'task' && observedState(c.object) === TaskState.ASSIGNED && ++assigned === size.tasks) resolve();
      },
    });
  });
  const begin = performance.now();
  loop.start();
  await done;
  const seconds = (performance.now() - begin) / 1000;
  await loop.stop();
  return size.tasks / seconds;
}

async function fill(store: Store, size: Size): Promise<void> {
  const numbers = (n: number) => Array.from({ length: n }, (_, i) => i);
  const fail = (_: number, e: unknown) => {
    throw e;
  };
  await store.batch(numbers(size.nodes), (tx, i) => tx.create('node', nodeOf(i)), fail);
  const spec = taskSpecOf(size.constrained);
  for (let at = 0; at < size.tasks; at += MADE_AT_ONCE) {
    const count = Math.min(MADE_AT_ONCE, size.tasks - at);
    await store.batch(numbers(count), (tx, i) => tx.create('task', taskOf(at + i, spec)), fail);
  }
}

function nodeOf(i: number): Node {
  return Node.create({
    id: `node${i}`,
    spec: NodeSpec.create({
      annotations: { name: '', labels: { zone: `zone${i % ZONES}`, disk: i % 2 === 0 ? 'ssd' : 'hdd' } },
    }),
    status: NodeStatus.create({ state: NodeState.NODE_READY, addr: '192.0.2.1' }),
    description: NodeDescription.create({
      hostname: `node${i}`,
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 64e9, memoryBytes: 256e9, pids: 0, generic: [] },
    }),
  });
}

function taskSpecOf(constrained: boolean): TaskSpec {
  return TaskSpec.create({
    container: ContainerSpec.create({ image: 'registry.example.com/app:1.2.3', env: ['A=1', 'B=2'] }),
    ...(constrained
      ? {
          placement: Placement.create({
            constraints: ['node.labels.disk==ssd'],
            preferences: [{ spreadDescriptor: 'node.labels.zone' }],
          }),
        }
      : {}),
  });
}

function taskOf(i: number, spec: TaskSpec): Task {
  return Task.create({
    id: `task${i}`,
    serviceId: 'service',
    slot: i + 1,
    spec,
    specVersion: { index: 1 },
    serviceAnnotations: { name: 'app', labels: {} },
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state: TaskState.PENDING, message: 'pending task scheduling' }),
  });
}
