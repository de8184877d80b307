/** The fifteen semantics of Swarm mode that are most likely to be implemented wrongly, each by its number. */
import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Cluster,
  FailureAction,
  Node,
  NodeAvailability,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  observedState,
  RestartCondition,
  Task,
  TaskState,
  TaskStatus,
  type UpdateConfig,
  UpdateState,
} from '@swarmts/proto';
import { matchesConstraint, NodeInfo, parseConstraint, parseSpread } from '@swarmts/scheduler';
import { localOperations } from './control/operations-bed.js';
import { NetworkIndex } from './dispatcher/network-index.js';
import { NodeMonitor } from './dispatcher/node-monitor.js';
import { StatusWriter } from './dispatcher/status-writer.js';
import { OrchestratorBed, readyNode, withUpdate } from './orchestrator/orchestrator-bed.js';
import { reconcileService } from './orchestrator/reconcile-service.js';
import { tasksToDelete } from './orchestrator/task-reaper.js';
import { NOW, nodeMap, testNode, testService, testTask } from './orchestrator/testing.js';
import { localStore, type Store } from './store/store.js';

function context(store: Store, clock: SimulatedClock) {
  const onStuck = (e: unknown) => assert.fail(String(e));
  return { store, clock, random: seededRandom(1), log: silentLogger, onStuck };
}

describe('semantics of Swarm mode', () => {
  let bed: OrchestratorBed;
  beforeEach(() => {
    bed = new OrchestratorBed();
  });
  afterEach(() => bed.orchestrator.stop());
  /** The first `count` new tasks fail. */
  async function updateWithFailures(update: Partial<UpdateConfig>, count: number): Promise<UpdateState | undefined> {
    await bed.start(withUpdate({ parallelism: 0, ...update }));
    const doomed = new Set<string>();
    bed.fate = (t) => {
      if (t.spec?.container?.image !== 'new') return 'run';
      if (doomed.size < count) doomed.add(t.id);
      return doomed.has(t.id) ? 'fail' : 'run';
    };
    await bed.setImage('new');
    await bed.run(20_000);
    return bed.service.updateStatus?.state;
  }

  it('1: failures are counted against the slots that were to be changed at the start, and must be more than the ratio', async () => {
    assert.equal(await updateWithFailures({ maxFailureRatio: 1 / 3 }, 1), UpdateState.UPDATE_COMPLETED);
  });

  it('1: one failure more than the ratio pauses, and only updated tasks count', async () => {
    assert.equal(await updateWithFailures({ maxFailureRatio: 0.3 }, 1), UpdateState.UPDATE_PAUSED);
  });

  it('2: a task that fails before it runs counts, however short the monitor period is', async () => {
    assert.equal(await updateWithFailures({ hasMonitor: true, monitorNs: 1 }, 1), UpdateState.UPDATE_PAUSED);
  });

  it('3: a rollback that fails pauses; it is not rolled back itself', async () => {
    await bed.start(withUpdate({ failureAction: FailureAction.FAILURE_ROLLBACK }));
    bed.fate = () => 'fail';
    await bed.setImage('new');
    await bed.run(30_000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.ROLLBACK_PAUSED);
  });

  it('3: a manual rollback swaps the specs, so that twice is forward again', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    const ops = localOperations(store, clock);
    const spec = (image: string) => {
      const s = testService({ image }).spec;
      assert.ok(s);
      return s;
    };
    const { id } = await ops.createService({ spec: spec('one') });
    const now = () => store.get('service', id);
    const image = () => now()?.spec?.task?.container?.image;
    const update = (rollback: boolean) => {
      const version = now()?.meta?.version?.index ?? 0;
      return ops.updateService({ ref: id, version, spec: spec('two'), rollback });
    };
    await update(false);
    await update(true);
    assert.equal(image(), 'one');
    await update(true);
    assert.equal(image(), 'two');
  });

  it('4: a task is prepared but not started while its predecessor stops, or its restart delay runs', async () => {
    await bed.start(withUpdate({}));
    await bed.setImage('new');
    await bed.clock.advance(20);
    const next = bed.store.view((tx) => tx.list('task')).filter((t) => t.spec?.container?.image === 'new');
    assert.deepEqual(
      next.map((t) => t.desiredState),
      [TaskState.READY],
    );
    const failed = testTask({ id: 'a', slot: 1, state: TaskState.FAILED });
    const [step] = reconcileService({
      service: testService({ replicas: 1 }),
      tasks: [failed],
      nodes: nodeMap(testNode('n1')),
      nowMs: NOW,
    }).steps;
    assert.ok(step?.type === 'replace');
    assert.deepEqual([step.task.desiredState, step.task.restartNotBeforeMs], [TaskState.READY, NOW + 5000]);
  });

  it('5: no restart delay when a node is drained, and (unlike Swarm) none when it is down', () => {
    const tasks = [testTask({ id: 'a', slot: 1 })];
    for (const node of [testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN), testNode('n1', NodeState.DOWN)]) {
      const { steps } = reconcileService({
        service: testService({ replicas: 1 }),
        tasks,
        nodes: nodeMap(node),
        nowMs: NOW,
      });
      assert.ok(steps[0]?.type === 'replace');
      assert.equal(steps[0].task.restartNotBeforeMs, 0);
    }
  });

  it('6: after a change of leader nodes are unknown, with twice the grace, so that nothing is moved', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    await store.update((tx) => tx.create('node', readyNode('n1')));
    const monitor = new NodeMonitor(context(store, clock), () => undefined);
    const state = () => store.get('node', 'n1')?.status?.state;
    await monitor.start();
    assert.equal(state(), NodeState.UNKNOWN);
    await clock.advance(2 * monitor.graceMs - 100);
    assert.equal(state(), NodeState.UNKNOWN);
    await clock.advance(200);
    assert.equal(state(), NodeState.DOWN);
    monitor.stop();
  });

  it('7: observed states only move forward', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    await store.update((tx) => tx.create('task', testTask({ id: 'a', slot: 1, state: TaskState.FAILED })));
    const writer = new StatusWriter(context(store, clock), 'm1');
    writer.add('n1', [{ taskId: 'a', status: TaskStatus.create({ state: TaskState.RUNNING }) }]);
    await clock.advance(200);
    const task = store.get('task', 'a');
    assert.equal(task && observedState(task), TaskState.FAILED);
    await writer.stop();
  });

  it('8: attempts are counted from the tasks that are kept, so enough of them are kept', () => {
    const service = testService({ replicas: 1, restart: { maxAttempts: 3, condition: RestartCondition.ANY } });
    const ended = Array.from({ length: 4 }, (_, i) =>
      testTask({
        id: `t${i}`,
        slot: 1,
        state: TaskState.FAILED,
        desired: TaskState.SHUTDOWN,
        createdAtMs: NOW - 1000 + i,
      }),
    );
    assert.deepEqual(tasksToDelete(ended, service, 1), []);
    assert.deepEqual(reconcileService({ service, tasks: ended, nodes: nodeMap(testNode('n1')), nowMs: NOW }).steps, []);
  });

  it('9: on a paused node a global service gets no task, and its task there is not updated either', async () => {
    await bed.start((s) => ({
      ...s,
      spec: s.spec && {
        ...s.spec,
        mode: { global: {}, replicated: undefined, replicatedJob: undefined, globalJob: undefined },
      },
    }));
    const paused = readyNode('n2');
    await bed.store.update((tx) => {
      const n1 = tx.get('node', 'n1');
      if (n1?.spec) tx.update('node', { ...n1, spec: { ...n1.spec, availability: NodeAvailability.PAUSE } });
      tx.create('node', { ...paused, spec: NodeSpec.create({ availability: NodeAvailability.PAUSE }) });
    });
    await bed.setImage('new');
    await bed.run(10_000);
    assert.deepEqual([bed.tasks('busybox').map((t) => t.nodeId), bed.tasks('new').length], [['n1'], 0]);
  });

  it('10: a change of placement alone does not restart a task that still fits', async () => {
    await bed.start((s) => s);
    const before = bed.tasks('busybox').map((t) => t.id);
    const placement = { constraints: ['node.id==n1'], preferences: [], platforms: [], maxReplicas: 0 };
    await bed.change((spec) => ({ ...spec, task: spec.task && { ...spec.task, placement } }));
    await bed.run(5000);
    assert.deepEqual(
      bed.tasks('busybox').map((t) => t.id),
      before,
    );
  });

  it('11: failures of an earlier version of a service do not count against a node', () => {
    const info = new NodeInfo(testNode('n1'));
    for (let i = 0; i < 5; i++) info.recordFailure('svc@1', NOW);
    assert.deepEqual([info.countedFailures('svc@1', NOW), info.countedFailures('svc@2', NOW)], [5, 0]);
  });

  it("12: a label that is missing is '' for constraints and for spreading", () => {
    const info = new NodeInfo(testNode('n1'));
    assert.ok(matchesConstraint(parseConstraint('node.labels.zone!=east'), info));
    assert.ok(!matchesConstraint(parseConstraint('node.labels.zone==east'), info));
    assert.equal(parseSpread('node.labels.zone')(info), '');
  });

  it('13, 14: VIP, names and published ports lead to a task while it runs and is meant to, and not a moment longer', async () => {
    const store = localStore(() => NOW);
    const index = new NetworkIndex();
    const ready = async (state: TaskState, desiredState: TaskState) => {
      const networks = [{ network: { id: 'net' } as never, addresses: ['10.0.0.2/24'], aliases: [] }];
      await store.update((tx) => {
        tx.create('task', Task.create({ ...testTask({ id: 'a', slot: 1, state }), desiredState, networks }));
      });
      store.view((tx) => index.rebuild(tx));
      const endpoint = store.view((tx) => index.endpoint(tx, 'net', 'a'));
      await store.update((tx) => tx.remove('task', 'a'));
      return endpoint?.ready;
    };
    assert.equal(await ready(TaskState.STARTING, TaskState.RUNNING), false, 'its health check has not passed yet');
    assert.equal(await ready(TaskState.RUNNING, TaskState.RUNNING), true);
    assert.equal(await ready(TaskState.RUNNING, TaskState.SHUTDOWN), false, 'it has not got its signal yet');
  });

  it('15: the tasks of a removed node are orphaned in the same transaction', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c' }));
      const status = NodeStatus.create({ state: NodeState.DOWN });
      tx.create('node', Node.create({ id: 'n1', spec: NodeSpec.create({ role: NodeRole.WORKER }), status }));
      tx.create('task', testTask({ id: 'a', slot: 1 }));
    });
    let seen: TaskState | undefined;
    store.watch({
      commit: () => {
        const task = store.get('task', 'a');
        if (!store.get('node', 'n1') && task) seen ??= observedState(task);
      },
    });
    await localOperations(store, clock).removeNode({ ref: 'n1', force: false });
    assert.equal(seen, TaskState.ORPHANED);
  });
});
