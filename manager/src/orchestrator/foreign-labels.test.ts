import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import { extensionLabels, isWanted, JobStatus, type Service, TaskUsage } from '@swarmts/proto';
import { NodeInfo } from '@swarmts/scheduler';
import type { LeaderContext } from '../leader-component.js';
import { localStore } from '../store/store.js';
import { Autoscaler } from './autoscaler.js';
import { CronOrchestrator } from './cron.js';
import { Rebalancer } from './rebalancer.js';
import { ServiceOrchestrator } from './service-orchestrator.js';
import { nodeMap, testNode, testService, testTask } from './testing.js';

/** As a manager of a later release lets them in. */
const FOREIGN = {
  'swarmts.of.tomorrow': 'x',
  [extensionLabels.scheduleTimezone]: 'Mars/Base',
  [extensionLabels.schedule]: '* * * * *',
  [extensionLabels.autoscale]: 'min=1,max=9,gpu=5',
  [extensionLabels.rebalance]: 'often',
  [extensionLabels.pinVolumes]: 'perhaps',
  [extensionLabels.devices]: 'some',
  [extensionLabels.progressDeadline]: 'soon',
};

function bed() {
  const clock = new SimulatedClock(Date.parse('2026-03-01T00:00:00Z'));
  const store = localStore(() => clock.now());
  const onStuck = (e: unknown) => assert.fail(String(e));
  const told: string[] = [];
  const log = {
    ...silentLogger,
    warn: (m: string, f?: Readonly<Record<string, unknown>>) => told.push(`${f?.service}: ${m}`),
    error: (m: string, f?: Readonly<Record<string, unknown>>) => told.push(`${f?.service}: ${m}`),
  };
  const context: LeaderContext = { store, clock, random: seededRandom(1), log, onStuck };
  /** Beside one with labels of another release. */
  const stored = (service: Service, foreign: Service) =>
    store.update((tx) => {
      tx.create('service', { ...foreign, id: 'foreign' });
      tx.create('service', service);
    });
  const service = (id: string) => {
    const found = store.get('service', id);
    assert.ok(found);
    return found;
  };
  return { clock, store, context, told, stored, service };
}

describe('a service with labels that this manager does not understand', () => {
  it('has its tasks, and is told of once', async () => {
    const { clock, store, context, told, stored, service } = bed();
    await stored(testService({ replicas: 2 }), testService({ replicas: 3, labels: FOREIGN }));
    const orchestrator = new ServiceOrchestrator(context);
    orchestrator.start();
    await clock.advance(1000);
    const count = (id: string) => store.view((tx) => tx.by('task', 'service', id)).filter(isWanted).length;
    assert.deepEqual([count('svc'), count('foreign')], [2, 3]);
    await store.update((tx) => {
      for (const id of ['foreign', 'svc'])
        tx.update('service', {
          ...service(id),
          spec: testService({ image: 'new', labels: service(id).spec?.annotations?.labels ?? {} }).spec,
          specVersion: { index: 2 },
        });
    });
    await clock.advance(1000);
    const images = (id: string) =>
      store.view((tx) => tx.by('task', 'service', id)).map((t) => t.spec?.container?.image);
    assert.ok(images('svc').includes('new') && images('foreign').includes('new'), 'both are updated');
    const why = 'labels of a service have no effect while this manager leads: it does not understand them';
    assert.deepEqual(told, [`foreign: ${why}`, `foreign: ${why}`]);
    await orchestrator.stop();
  });

  it('keeps no other from its schedule', async () => {
    const { clock, context, stored, service } = bed();
    const jobStatus = JobStatus.create({ jobIteration: { index: 0 } });
    const job = (labels: Readonly<Record<string, string>>) => ({ ...testService({ job: 1, labels }), jobStatus });
    await stored(job({ [extensionLabels.schedule]: '0 3 * * *' }), job(FOREIGN));
    const cron = new CronOrchestrator(context);
    cron.start();
    await clock.advance(4 * 3_600_000);
    const iteration = (id: string) => service(id).jobStatus?.jobIteration?.index;
    assert.deepEqual([iteration('svc'), iteration('foreign')], [1, 0]);
    await cron.stop();
  });

  it('keeps no other from its schedule with a time that nobody can tell', async () => {
    const { clock, context, told, stored, service } = bed();
    const jobStatus = JobStatus.create({ jobIteration: { index: 0 } });
    const job = (cron: string) => ({
      ...testService({ job: 1, labels: { [extensionLabels.schedule]: cron } }),
      jobStatus,
    });
    await stored(job('0 3 * * *'), job('at dawn'));
    const cron = new CronOrchestrator(context);
    cron.start();
    await clock.advance(4 * 3_600_000);
    assert.equal(service('svc').jobStatus?.jobIteration?.index, 1);
    assert.equal(told[0], 'foreign: a service is left alone: looking at it failed');
    await cron.stop();
  });

  it('keeps no other from being scaled', async () => {
    const { clock, store, context, stored, service } = bed();
    const labels = { [extensionLabels.autoscale]: 'min=1,max=9,cpu=50,up=1s' };
    await stored(testService({ replicas: 1, labels }), testService({ replicas: 1, labels: FOREIGN }));
    await store.update((tx) => tx.create('task', { ...testTask({ id: 't', slot: 1 }), meta: undefined }));
    const autoscaler = new Autoscaler(context);
    autoscaler.start();
    for (let i = 0; i < 5; i++) {
      autoscaler.add([TaskUsage.create({ taskId: 't', cpuMillis: 1000 })]);
      await clock.advance(5_000);
    }
    assert.equal(service('svc').autoscaleStatus?.replicas, 2);
    assert.equal(service('foreign').autoscaleStatus, undefined);
    await autoscaler.stop();
  });

  it('keeps no other from being evened out', async () => {
    const { clock, store, context, stored, service } = bed();
    const labels = { [extensionLabels.rebalance]: 'auto' };
    await stored(testService({ replicas: 4, labels }), testService({ replicas: 4, labels: FOREIGN }));
    const nodes = [...nodeMap(testNode('n1'), testNode('n2')).values()].map((n) => new NodeInfo(n));
    await store.update((tx) => {
      for (let slot = 1; slot <= 4; slot++)
        tx.create('task', { ...testTask({ id: `t${slot}`, slot }), meta: undefined });
    });
    for (const t of store.view((tx) => tx.list('task'))) nodes[0]?.addTask(t);
    const rebalancer = new Rebalancer(context, () => nodes);
    rebalancer.start();
    await clock.advance(16_000);
    assert.equal(service('svc').movingTaskIds.length, 2);
    await rebalancer.stop();
  });
});
