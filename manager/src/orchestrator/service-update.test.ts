import assert from 'node:assert/strict';
import {
  EndpointSpec,
  FailureAction,
  Network,
  NetworkSpec,
  observedState,
  PortConfig,
  SecretReference,
  type Service,
  type ServiceSpec,
  TaskState,
  UpdateConfig,
  UpdateOrder,
  UpdateState,
} from '@swarmts/proto';
import { createService, putSpec } from '../control/service-operations.js';
import { OrchestratorBed, withUpdate } from './orchestrator-bed.js';
import { testService } from './testing.js';

/** A day: the update waits before the next slot. */
const LONG_DELAY_NS = 86_400e9;

describe('an update', () => {
  let bed: OrchestratorBed;
  beforeEach(() => {
    bed = new OrchestratorBed();
  });
  afterEach(() => bed.orchestrator.stop());

  const isNew = (image: string | undefined) => image === 'new';

  it('is paused as soon as a task fails within the monitor period, also while it waits for the next slot', async () => {
    await bed.start(withUpdate({ delayNs: LONG_DELAY_NS }));
    await bed.setImage('new');
    await bed.run(1000);
    await bed.fail(bed.tasks('new')[0]);
    await bed.run(100);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED);
    assert.equal(bed.tasks('busybox').length, 2);
  });

  it('rolls back at once in the last watch', async () => {
    await bed.start(withUpdate({ failureAction: FailureAction.FAILURE_ROLLBACK, monitorNs: 3600e9, hasMonitor: true }));
    await bed.setImage('new');
    await bed.run(2000);
    assert.equal(bed.tasks('new').length, 3);
    await bed.fail(bed.tasks('new')[2]);
    await bed.run(100);
    assert.equal(bed.service.spec?.task?.container?.image, 'busybox');
  });

  it('that is taken back after scaling alone ends as a rollback, by the settings of rollbacks', async () => {
    await bed.start((s) => {
      const service = withUpdate({ delayNs: LONG_DELAY_NS })(s);
      const rollback = UpdateConfig.create({ parallelism: 1, monitorNs: 1e9, hasMonitor: true });
      return { ...service, spec: service.spec && { ...service.spec, rollback } };
    });
    await bed.setImage('new');
    await bed.run(1000);
    const put = (spec: ServiceSpec | undefined, rollback: boolean) =>
      bed.store.update((tx) => putSpec(tx, bed.service, spec as ServiceSpec, { rollback, nowMs: 0 }));
    const before = bed.service.spec;
    await put(before && ({ ...before, mode: { ...before.mode, replicated: { replicas: 4 } } } as ServiceSpec), false);
    await put(bed.service.previousSpec, true);
    await bed.run(10_000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.ROLLBACK_COMPLETED);
    assert.equal(bed.tasks('new').length, 3);
  });

  describe('that changes a published port', () => {
    const publishing = (spec: ServiceSpec, publishedPort: number, image: string): ServiceSpec => ({
      ...spec,
      endpoint: EndpointSpec.create({ ports: [PortConfig.create({ targetPort: 80, publishedPort })] }),
      task: spec.task && { ...spec.task, container: spec.task.container && { ...spec.task.container, image } },
    });
    const update = async (port: number, image: string) => {
      await bed.store.update((tx) => {
        const { spec } = bed.service;
        assert.ok(spec);
        putSpec(tx, bed.service, publishing(spec, port, image), { rollback: false, nowMs: bed.clock.now() });
      });
      await bed.run(2000);
    };
    const portsOf = (s: Service) => s.endpoint?.ports.map((p) => p.publishedPort);
    beforeEach(async () => {
      await bed.store.update((tx) =>
        tx.create('network', Network.create({ id: 'in', spec: NetworkSpec.create({ ingress: true }) })),
      );
      await bed.start(withUpdate({ failureAction: FailureAction.FAILURE_ROLLBACK, monitorNs: 10e9, hasMonitor: true }));
      await update(8080, 'busybox');
      await bed.run(20_000);
      await update(9090, 'new');
      assert.deepEqual(portsOf(bed.service), [9090]);
    });

    it('gives the service the port of before when it is rolled back', async () => {
      await bed.fail(bed.tasks('new')[0]);
      await bed.run(20_000);
      assert.equal(bed.service.updateStatus?.state, UpdateState.ROLLBACK_COMPLETED);
      assert.deepEqual(portsOf(bed.service), [8080]);
    });

    it('is paused when another service has the port of before, and says so', async () => {
      await bed.store.update((tx) => {
        const spec = publishing(testService({}).spec ?? assert.fail(), 8080, 'other');
        createService(tx, { ...spec, annotations: { name: 'other', labels: {} } }, bed.clock.now(), 'other');
      });
      await bed.fail(bed.tasks('new')[0]);
      await bed.run(1000);
      const { state, message } = bed.service.updateStatus ?? assert.fail();
      assert.equal(state, UpdateState.UPDATE_PAUSED);
      assert.match(message, /^update paused due to .*: it cannot be rolled back: .*8080.* is already in use/);
      assert.deepEqual(portsOf(bed.service), [9090]);
    });
  });

  it('is paused when what the spec of before names is gone, and says what that is', async () => {
    await bed.start((s) => withUpdate({ failureAction: FailureAction.FAILURE_ROLLBACK })(withSecret(s)));
    await bed.change((spec) => withImage(spec, 'new', []));
    await bed.run(500);
    await bed.fail(bed.tasks('new')[0]);
    await bed.run(1000);
    const { state, message } = bed.service.updateStatus ?? assert.fail();
    assert.equal(state, UpdateState.UPDATE_PAUSED);
    assert.match(message, /^update paused due to .*: it cannot be rolled back: secret not found: key$/);
    assert.equal(bed.service.spec?.task?.container?.image, 'new');
  });

  it('does not count what ended after the monitor period', async () => {
    await bed.start(withUpdate({ delayNs: LONG_DELAY_NS }));
    await bed.setImage('new');
    await bed.run(6000);
    await bed.fail(bed.tasks('new')[0]);
    await bed.run(100);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING);
  });

  it('leaves nobody at work when a write of it fails: what comes after decides alone', async () => {
    await bed.start((s) => withUpdate({ parallelism: 2 })(replicas(4)(s)));
    const comesUp = new Set([1, 4]);
    bed.fate = (t) => {
      if (!isNew(t.spec?.container?.image) || comesUp.has(t.slot)) return 'run';
      return t.slot === 3 ? 'fail' : 'wait';
    };
    const inSlot = (slot: number) =>
      bed.store.view((tx) => tx.by('task', 'slot', `svc.${slot}`)).filter((t) => isNew(t.spec?.container?.image));
    const update = bed.store.update.bind(bed.store);
    let failures = 1;
    bed.store.update = (fn) =>
      update((tx) => {
        const result = fn(tx);
        const isThird = tx.by('task', 'slot', 'svc.3').some((t) => isNew(t.spec?.container?.image));
        if (isThird && failures-- > 0) throw new Error('the write is lost');
        return result;
      });
    await bed.setImage('new');
    await bed.run(5000);
    assert.equal(failures < 1 && inSlot(3).length > 0, true, 'it was lost once, and made again');
    comesUp.add(2);
    await bed.run(5000);
    assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED);
    assert.deepEqual(inSlot(4), []);
  });

  it('that goes on whatever fails is tried again after a while, and longer ones, where the new task starts first', async () => {
    await bed.start(withUpdate({ order: UpdateOrder.START_FIRST, failureAction: FailureAction.FAILURE_CONTINUE }));
    const made = (image: string) =>
      bed.store.view((tx) => tx.list('task')).filter((t) => t.spec?.container?.image === image).length;
    bed.fate = (t) => (isNew(t.spec?.container?.image) ? 'fail' : 'run');
    await bed.setImage('new');
    await bed.run(25_000);
    assert.ok(made('new') >= 6 && made('new') <= 12, `${made('new')} tasks in 25 seconds`);
    assert.equal(bed.tasks('busybox').length, 3);
    bed.fate = () => 'run';
    await bed.setImage('newer');
    await bed.run(1000);
    assert.equal(bed.tasks('newer').length, 3, 'another version is not held up');
  });

  describe('that another manager takes over', () => {
    it('keeps the old task until the new one runs, where that starts first', async () => {
      await bed.start(withUpdate({ order: UpdateOrder.START_FIRST }));
      bed.fate = (t) => (isNew(t.spec?.container?.image) ? 'wait' : 'run');
      await bed.setImage('new');
      await bed.run(500);
      await bed.fallOver();
      await bed.run(2000);
      assert.equal(bed.tasks('busybox').length, 3);
      bed.fate = () => 'run';
      await bed.run(8000);
      assert.deepEqual([bed.tasks('busybox').length, bed.tasks('new').length], [0, 3]);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_COMPLETED);
    });

    it('replaces no more at a time than asked for', async () => {
      await bed.start(withUpdate({ parallelism: 1 }));
      bed.fate = (t) => (isNew(t.spec?.container?.image) ? 'wait' : 'run');
      await bed.setImage('new');
      await bed.run(500);
      await bed.fallOver();
      await bed.run(2000);
      assert.equal(bed.tasks('busybox').length, 2);
    });

    it('counts the failures of before, and of as many slots as there were', async () => {
      await bed.start((s) => withUpdate({ parallelism: 1, maxFailureRatio: 0.3, delayNs: 10e9 })(replicas(4)(s)));
      await bed.setImage('new');
      await bed.run(1000);
      const first = bed.tasks('new')[0]?.slot;
      await bed.fail(bed.tasks('new')[0]);
      await bed.run(100);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING, 'one of four');
      await bed.fallOver();
      await bed.run(1000);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING, 'still one of four');
      await bed.run(10_000);
      await bed.fail(bed.tasks('new').find((t) => t.slot !== first));
      await bed.run(100);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED, 'two of four');
    });

    it('waits between two slots for as long as it was to', async () => {
      await bed.start(withUpdate({ delayNs: 10e9 }));
      await bed.setImage('new');
      await bed.run(6000);
      await bed.fallOver();
      await bed.run(3000);
      assert.equal(bed.tasks('new').length, 1);
      await bed.run(2000);
      assert.equal(bed.tasks('new').length, 2);
    });

    it('goes on with the last watch', async () => {
      await bed.start(withUpdate({ parallelism: 0, monitorNs: 60e9, hasMonitor: true }));
      await bed.setImage('new');
      await bed.run(1000);
      await bed.fallOver();
      await bed.run(1000);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING);
      await bed.fail(bed.tasks('new')[0]);
      await bed.run(100);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED);
    });

    it('gives a replacement no more time to come up than it had', async () => {
      const labels = { 'swarmts.update.progress-deadline': '10s' };
      await bed.start((s) => ({
        ...withUpdate({})(s),
        spec: { ...withUpdate({})(s).spec, annotations: { name: 'web', labels } } as typeof s.spec,
      }));
      bed.fate = (t) => (isNew(t.spec?.container?.image) ? 'wait' : 'run');
      await bed.setImage('new');
      for (let i = 0; i < 3; i++) {
        await bed.run(3000);
        await bed.fallOver();
      }
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATING);
      await bed.run(1500);
      assert.equal(bed.service.updateStatus?.state, UpdateState.UPDATE_PAUSED);
    });
  });

  it('never leaves a replacement that does not come up alone in its slot, where the new task starts first', async () => {
    const labels = { 'swarmts.update.progress-deadline': '2s' };
    await bed.start((s) => {
      const { spec } = withUpdate({ order: UpdateOrder.START_FIRST, failureAction: FailureAction.FAILURE_CONTINUE })(s);
      return { ...s, spec: spec && { ...spec, annotations: { name: 'web', labels } } };
    });
    bed.fate = (t) => (isNew(t.spec?.container?.image) ? 'wait' : 'run');
    await bed.setImage('new');
    await bed.run(30_000);
    assert.equal(bed.tasks('busybox').length, 3);
    const waiting = bed.store.view((tx) => tx.list('task')).filter((t) => observedState(t) < TaskState.RUNNING);
    assert.ok(waiting.length <= 3, `${waiting.length} replacements wait`);
  });
});

const withImage = (spec: ServiceSpec, image: string, secrets: readonly SecretReference[]): ServiceSpec => ({
  ...spec,
  task: spec.task && {
    ...spec.task,
    container: spec.task.container && { ...spec.task.container, image, secrets: [...secrets] },
  },
});

/** One that has been deleted since. */
const withSecret = (s: Service): Service => ({
  ...s,
  spec: s.spec && withImage(s.spec, 'busybox', [SecretReference.create({ secretId: 'gone', secretName: 'key' })]),
});

const replicas =
  (n: number) =>
  (s: ReturnType<typeof testService>): typeof s => ({
    ...s,
    spec: s.spec && { ...s.spec, mode: { ...s.spec.mode, replicated: { replicas: n } } as typeof s.spec.mode },
  });
