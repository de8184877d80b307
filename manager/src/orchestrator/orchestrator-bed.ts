/** The orchestrator on a real store with a simulated clock, and nodes that carry out what they are told. For tests. */
import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Node,
  NodeAvailability,
  NodeSpec,
  NodeState,
  NodeStatus,
  observedState,
  type Service,
  type ServiceSpec,
  type Task,
  TaskState,
  TaskStatus,
  UpdateConfig,
} from '@swarmts/proto';
import { localStore, type Store } from '../store/store.js';
import { ServiceOrchestrator } from './service-orchestrator.js';
import { testService } from './testing.js';

/** Nodes carry out tasks as soon as they are there; those without a node go to the first one that takes tasks. */
export class OrchestratorBed {
  readonly clock = new SimulatedClock();
  readonly store: Store = localStore(() => this.clock.now());
  orchestrator: ServiceOrchestrator = this.#newOrchestrator();
  /** What happens to a task that is to be started: it runs, fails, or does not get on. */
  fate: (t: Task) => 'run' | 'fail' | 'wait' = () => 'run';

  #newOrchestrator(): ServiceOrchestrator {
    const { store, clock } = this;
    const onStuck = (e: unknown) => assert.fail(String(e));
    return new ServiceOrchestrator({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
  }

  /** Another manager leads: it knows what is in the store, and nothing else. */
  async fallOver(): Promise<void> {
    await this.orchestrator.stop();
    this.orchestrator = this.#newOrchestrator();
    this.orchestrator.start();
  }

  async start(spec: (s: Service) => Service): Promise<void> {
    await this.store.update((tx) => {
      tx.create('node', readyNode('n1'));
      tx.create('service', spec(testService({ replicas: 3 })));
    });
    this.orchestrator.start();
    await this.run(1000);
  }

  /** Lets time pass, the "agents" acting every 10 ms. */
  async run(ms: number): Promise<void> {
    for (let t = 0; t < ms; t += 10) {
      await this.clock.advance(10);
      await this.store.update((tx) => {
        for (const task of tx.list('task')) {
          const next = this.#next(task);
          if (next === undefined) continue;
          tx.update('task', {
            ...task,
            nodeId: task.nodeId || this.#place(tx.list('node')),
            status: this.#reached(task, next),
          });
        }
      });
    }
  }

  /** As the dispatcher writes it. */
  #reached(t: Task, state: TaskState): TaskStatus {
    const appliedAtMs = this.clock.now();
    const runningSinceMs = t.status?.runningSinceMs || (state === TaskState.RUNNING ? appliedAtMs : 0);
    return TaskStatus.create({ state, appliedAtMs, runningSinceMs });
  }

  #place(nodes: readonly Node[]): string {
    const taking = nodes.filter(
      (n) => n.spec?.availability === NodeAvailability.ACTIVE && n.status?.state === NodeState.NODE_READY,
    );
    return taking[0]?.id ?? '';
  }

  #next(t: Task): TaskState | undefined {
    const state = observedState(t);
    if (this.store.get('node', t.nodeId)?.status?.state === NodeState.DOWN) return undefined;
    if (t.desiredState > TaskState.RUNNING) return state <= TaskState.RUNNING ? TaskState.SHUTDOWN : undefined;
    if (t.desiredState === TaskState.READY) return state < TaskState.READY ? TaskState.READY : undefined;
    const node = t.nodeId === '' ? undefined : this.store.get('node', t.nodeId);
    if (state >= TaskState.RUNNING || node?.status?.state === NodeState.DOWN) return undefined;
    const fate = this.fate(t);
    if (fate === 'wait') return undefined;
    return fate === 'run' ? TaskState.RUNNING : TaskState.FAILED;
  }

  get service(): Service {
    const s = this.store.get('service', 'svc');
    assert.ok(s);
    return s;
  }

  tasks(image: string): readonly Task[] {
    return this.store
      .view((tx) => tx.list('task'))
      .filter(
        (t) =>
          t.spec?.container?.image === image &&
          t.desiredState <= TaskState.RUNNING &&
          observedState(t) === TaskState.RUNNING,
      );
  }

  async change(fn: (spec: ServiceSpec) => ServiceSpec): Promise<void> {
    await this.store.update((tx) => {
      const s = this.service;
      assert.ok(s.spec);
      tx.update('service', {
        ...s,
        spec: fn(s.spec),
        previousSpec: s.spec,
        specVersion: { index: (s.specVersion?.index ?? 0) + 1 },
        updateStatus: undefined,
      });
    });
  }

  /** A task that runs ends by itself. */
  async fail(task: Task | undefined): Promise<void> {
    const ended = { state: TaskState.FAILED, appliedAtMs: this.clock.now() };
    await this.store.update((tx) => {
      const now = tx.get('task', task?.id ?? '');
      assert.ok(now);
      tx.update('task', { ...now, status: TaskStatus.create({ ...now.status, ...ended }) });
    });
  }

  setImage(image: string): Promise<void> {
    return this.change((spec) => ({
      ...spec,
      task: spec.task && { ...spec.task, container: spec.task.container && { ...spec.task.container, image } },
    }));
  }
}

export function readyNode(id: string): Node {
  const status = NodeStatus.create({ state: NodeState.NODE_READY });
  return Node.create({ id, spec: NodeSpec.create({ annotations: { name: '', labels: {} } }), status });
}

export const withUpdate =
  (update: Partial<UpdateConfig>) =>
  (s: Service): Service => ({
    ...s,
    spec: s.spec && { ...s.spec, update: UpdateConfig.create({ parallelism: 1, ...update }) },
  });
