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
  readonly orchestrator: ServiceOrchestrator;
  /** What happens to a task that is to be started: 'run' or 'fail'. */
  fate: (t: Task) => 'run' | 'fail' = () => 'run';

  constructor() {
    this.orchestrator = new ServiceOrchestrator({
      store: this.store,
      clock: this.clock,
      random: seededRandom(1),
      log: silentLogger,
      onStuck: (e) => assert.fail(String(e)),
    });
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
            status: TaskStatus.create({ state: next, appliedAtMs: this.clock.now() }),
          });
        }
      });
    }
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
    return this.fate(t) === 'run' ? TaskState.RUNNING : TaskState.FAILED;
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
