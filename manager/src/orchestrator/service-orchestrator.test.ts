import assert from 'node:assert/strict';
import { Cluster, ClusterSpec, FailureAction, TaskState, TaskStatus, UpdateOrder, UpdateState } from '@swarmts/proto';
import { OrchestratorBed, withUpdate } from './orchestrator-bed.js';

describe('the orchestrator', () => {
  let bed: OrchestratorBed;
  beforeEach(() => {
    bed = new OrchestratorBed();
  });
  afterEach(async () => {
    await bed.orchestrator.stop();
  });

  it('runs as many tasks as replicas, and follows when they change', async () => {
    await bed.start((s) => s);
    assert.equal(bed.tasks('busybox').length, 3);
    await bed.change((spec) => ({
      ...spec,
      mode: { replicated: { replicas: 5 }, global: undefined, replicatedJob: undefined, globalJob: undefined },
    }));
    await bed.run(500);
    assert.equal(bed.tasks('busybox').length, 5);
  });

  it('gives tasks the log driver of the cluster, where the service has none', async () => {
    const taskDefaultLogDriver = { name: 'syslog', options: { 'syslog-address': 'udp://192.0.2.1' } };
    await bed.store.update((tx) =>
      tx.create('cluster', Cluster.create({ id: 'c', spec: ClusterSpec.create({ taskDefaultLogDriver }) })),
    );
    await bed.start((s) => s);
    assert.deepEqual([...new Set(bed.tasks('busybox').map((t) => t.logDriver?.name))], ['syslog']);
    await bed.change((spec) => ({
      ...spec,
      task: spec.task && { ...spec.task, logDriver: { name: 'local', options: {} } },
    }));
    await bed.run(60_000);
    assert.deepEqual([...new Set(bed.tasks('busybox').map((t) => t.logDriver?.name))], ['local']);
  });

  it('lets all tasks go when the service is removed', async () => {
    await bed.start((s) => s);
    await bed.store.update((tx) => tx.remove('service', 'svc'));
    await bed.run(500);
    assert.ok(bed.store.view((tx) => tx.list('task')).every((t) => t.desiredState === TaskState.REMOVE));
  });

  it('starts the successor of a failed task after the delay and not before', async () => {
    await bed.start((s) => s);
    const [first] = bed.tasks('busybox');
    assert.ok(first);
    await bed.store.update((tx) => {
      const t = tx.get('task', first.id);
      if (t)
        tx.update('task', {
          ...t,
          status: TaskStatus.create({ state: TaskState.FAILED, appliedAtMs: bed.clock.now() }),
        });
    });
    await bed.run(4800);
    assert.equal(bed.tasks('busybox').length, 2);
    await bed.run(400);
    assert.equal(bed.tasks('busybox').length, 3);
  });

  it('replaces one slot after the other, the old task first', async () => {
    await bed.start(withUpdate({ delayNs: 1e9 }));
    await bed.setImage('new');
    await bed.run(500);
    assert.deepEqual([bed.tasks('busybox').length, bed.tasks('new').length], [2, 1]);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING);
    await bed.run(2500);
    assert.deepEqual([bed.tasks('busybox').length, bed.tasks('new').length], [0, 3]);
    await bed.run(6000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_COMPLETED);
  });

  it('starts the new task first where asked to', async () => {
    await bed.start(withUpdate({ order: UpdateOrder.START_FIRST, parallelism: 0 }));
    let fewest = 3;
    bed.store.watch({
      commit: () => {
        fewest = Math.min(fewest, bed.tasks('busybox').length + bed.tasks('new').length);
      },
    });
    await bed.setImage('new');
    await bed.run(1000);
    assert.equal(bed.tasks('new').length, 3);
    assert.equal(fewest, 3, 'there were never less than three');
  });

  it('pauses after the first failure and leaves the rest alone', async () => {
    await bed.start(withUpdate({}));
    bed.fate = (t) => (t.spec?.container?.image === 'bad' ? 'fail' : 'run');
    await bed.setImage('bad');
    await bed.run(3000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED);
    assert.match(bed.service.updateStatus?.message ?? '', /paused due to failure or early termination of task/);
    assert.equal(bed.tasks('busybox').length, 2);
  });

  it('rolls back where asked to, once', async () => {
    await bed.start(withUpdate({ failureAction: FailureAction.FAILURE_ROLLBACK }));
    bed.fate = (t) => (t.spec?.container?.image === 'bad' ? 'fail' : 'run');
    await bed.setImage('bad');
    await bed.run(20_000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.ROLLBACK_COMPLETED);
    assert.equal(bed.service.spec?.task?.container?.image, 'busybox');
    assert.equal(bed.service.previousSpec, undefined);
    assert.equal(bed.tasks('busybox').length, 3);
  });

  it('goes on in spite of failures where asked to', async () => {
    await bed.start(withUpdate({ failureAction: FailureAction.FAILURE_CONTINUE, parallelism: 3 }));
    bed.fate = (t) => (t.spec?.container?.image === 'bad' ? 'fail' : 'run');
    await bed.setImage('bad');
    await bed.run(2000);
    assert.equal(bed.tasks('busybox').length, 0);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_COMPLETED);
  });

  it('takes a newer spec up while an update is under way', async () => {
    await bed.start(withUpdate({ delayNs: 10e9 }));
    await bed.setImage('new');
    await bed.run(500);
    await bed.setImage('newer');
    await bed.run(30_000);
    assert.equal(bed.tasks('newer').length, 3);
  });

  it('does not replace tasks when only the placement changes and the node still fits', async () => {
    await bed.start((s) => s);
    const before = bed
      .tasks('busybox')
      .map((t) => t.id)
      .sort();
    await bed.change((spec) => ({
      ...spec,
      task: spec.task && {
        ...spec.task,
        placement: { constraints: ['node.id==n1'], preferences: [], platforms: [], maxReplicas: 0 },
      },
    }));
    await bed.run(3000);
    assert.deepEqual(
      bed
        .tasks('busybox')
        .map((t) => t.id)
        .sort(),
      before,
    );
  });
});
