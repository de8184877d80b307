import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import { type Autoscale, type Task, TaskUsage } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { recommend, Stabiliser } from './autoscale.js';
import { Autoscaler } from './autoscaler.js';
import { replicasOf } from './replicas.js';
import { testService, testTask } from './testing.js';

const AUTOSCALE: Autoscale = { min: 1, max: 10, cpuPercent: 50, upWindowMs: 30_000, downWindowMs: 300_000 };
const tasks = (n: number): readonly Task[] =>
  Array.from({ length: n }, (_, i) => testTask({ id: `t${i}`, slot: i + 1 }));

function replicas(n: number, cpuMillis: readonly (number | undefined)[], autoscale = AUTOSCALE): number | undefined {
  return recommend(autoscale, n, tasks(n), (id) => {
    const cpu = cpuMillis[Number(id.slice(1))];
    return cpu === undefined ? undefined : { cpuMillis: cpu, memoryBytes: 0 };
  })?.replicas;
}

describe('what the autoscaler recommends', () => {
  it('brings the use to the target', () => {
    assert.equal(replicas(2, [1000, 1000]), 4);
    assert.equal(replicas(4, [250, 250, 250, 250]), 2);
    assert.equal(replicas(3, [500, 500, 500]), 3);
  });

  it('lets small differences be, and stays within its bounds', () => {
    assert.equal(replicas(4, [540, 540, 540, 540]), 4);
    assert.equal(replicas(8, Array(8).fill(1000)), 10);
    assert.equal(replicas(3, [1, 1, 1], { ...AUTOSCALE, min: 2 }), 2);
  });

  it('says nothing while nothing is known, and takes what is not known for busy as wanted', () => {
    assert.equal(replicas(2, [undefined, undefined]), undefined);
    assert.equal(replicas(2, [1000, undefined]), 3);
    assert.equal(replicas(4, [0, undefined, undefined, undefined]), 3);
  });

  it('looks at the worse of CPU and memory; memory without a limit is not judged', () => {
    const both = { ...AUTOSCALE, memoryPercent: 50 };
    const limits = { nanoCpus: 0, memoryBytes: 1000, pids: 0, generic: [] };
    const limited = tasks(2).map((t) => {
      const resources = {
        limits,
        reservations: undefined,
        swapBytes: 0,
        hasSwap: false,
        memorySwappiness: 0,
        hasMemorySwappiness: false,
      };
      return { ...t, spec: t.spec && { ...t.spec, resources } };
    });
    const r = recommend(both, 2, limited, () => ({ cpuMillis: 100, memoryBytes: 900 }));
    assert.deepEqual(r, { replicas: 4, reason: 'memory at 90 %, wanted 50 %' });
    const unlimited = recommend(
      { ...AUTOSCALE, cpuPercent: undefined as never, memoryPercent: 50 },
      2,
      tasks(2),
      () => ({ cpuMillis: 1, memoryBytes: 9 }),
    );
    assert.equal(unlimited, undefined);
  });
});

describe('windows of the autoscaler', () => {
  it('let more tasks come only when that was asked for all the time, and fewer after longer', () => {
    const s = new Stabiliser();
    const decide = (n: number, current: number, atMs: number) =>
      s.decide({ replicas: n, reason: '' }, current, AUTOSCALE, atMs).replicas;
    assert.equal(decide(6, 2, 0), 2, 'it was 2 a moment ago');
    assert.equal(decide(4, 2, 20_000), 2);
    assert.equal(decide(6, 2, 31_000), 4, 'the least that was asked for');
    // Every 5 s, as the autoscaler asks.
    for (let atMs = 60_000; atMs < 360_000; atMs += 5_000) assert.equal(decide(1, 4, atMs), 4);
    assert.equal(decide(1, 4, 361_000), 1);
  });

  it('begin anew when nothing was heard for a while', () => {
    const s = new Stabiliser();
    const decide = (n: number, atMs: number) => s.decide({ replicas: n, reason: '' }, 2, AUTOSCALE, atMs).replicas;
    decide(2, 0);
    assert.equal(decide(9, 1_000_000), 2, 'one moment is no window');
    for (let atMs = 1_005_000; atMs < 1_030_000; atMs += 5_000) decide(6, atMs);
    assert.equal(decide(9, 1_031_000), 6);
  });
});

describe('the autoscaler', () => {
  it('writes what it decides with the reason, and the spec stays the user\u2019s', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    const onStuck = (e: unknown) => assert.fail(String(e));
    const autoscaler = new Autoscaler({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
    const labels = { 'swarmts.autoscale': 'min=1,max=5,cpu=50,up=10s,down=20s' };
    await store.update((tx) => {
      tx.create('service', testService({ replicas: 2, labels }));
      for (const t of tasks(2)) tx.create('task', t);
    });
    autoscaler.start();
    const service = () => {
      const s = store.get('service', 'svc');
      assert.ok(s);
      return s;
    };
    for (let i = 0; i < 6; i++) {
      autoscaler.add(tasks(2).map((t) => TaskUsage.create({ taskId: t.id, cpuMillis: 900 })));
      await clock.advance(5000);
    }
    assert.equal(replicasOf(service()), 4);
    assert.equal(service().spec?.mode?.replicated?.replicas, 2);
    const [step] = service().autoscaleStatus?.steps ?? [];
    assert.deepEqual([step?.fromReplicas, step?.toReplicas, step?.reason], [2, 4, 'cpu at 90 %, wanted 50 %']);
    await clock.advance(60_000);
    assert.equal(replicasOf(service()), 4, 'nothing is heard, nothing is changed');
    await autoscaler.stop();
  });

  describe('when the leader changes', () => {
    const LABELS = { 'swarmts.autoscale': 'min=1,max=10,cpu=50,up=30s,down=5m' };
    /** Leaders one after the other over one store; each is told the same use every five seconds. */
    async function bed(replicas: number, clock = new SimulatedClock(1_700_000_000_000)) {
      const store = localStore(() => clock.now());
      const events: number[] = [];
      await store.update((tx) => {
        tx.create('service', testService({ replicas, labels: LABELS }));
        for (const t of tasks(replicas)) tx.create('task', t);
      });
      store.watch({ event: () => events.push(clock.now()) });
      const lead = async (forMs: number, cpuMillis: number) => {
        const onStuck = (e: unknown) => assert.fail(String(e));
        const leader = new Autoscaler({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
        leader.start();
        for (const endMs = clock.now() + forMs; clock.now() < endMs; ) {
          leader.add(tasks(10).map((t) => TaskUsage.create({ taskId: t.id, cpuMillis })));
          await clock.advance(5_000);
        }
        await leader.stop();
      };
      const count = () => replicasOf(store.get('service', 'svc') ?? assert.fail('the service is gone'));
      return { clock, store, events, lead, count };
    }

    it('goes on with the window that has begun, however often it changes', async () => {
      const b = await bed(8);
      for (let i = 0; i < 7; i++) await b.lead(40_000, 100);
      assert.equal(b.count(), 8, 'not for five minutes yet');
      await b.lead(40_000, 100);
      assert.equal(b.count(), 2);
      assert.equal(b.events.length, 2, 'the first note and the step are told, nothing else');
    });

    it('does not scale twice, nor by what was asked for before a break', async () => {
      const b = await bed(2);
      await b.lead(20_000, 900);
      await b.lead(15_000, 900);
      assert.equal(b.count(), 4);
      await b.lead(25_000, 900);
      assert.equal(b.count(), 4, 'the window begins with the step');
      const c = await bed(8);
      await c.lead(290_000, 100);
      await c.lead(10_000, 500);
      await c.lead(280_000, 100);
      assert.equal(c.count(), 8);
    });

    it('does not go on with what was heard long ago', async () => {
      const b = await bed(8);
      await b.lead(200_000, 100);
      await b.clock.advance(3_600_000);
      await b.lead(200_000, 100);
      assert.equal(b.count(), 8);
    });
  });

  it('leaves a service alone that was scaled to nothing', () => {
    assert.equal(replicasOf(testService({ replicas: 0, labels: { 'swarmts.autoscale': 'min=2,max=5,cpu=50' } })), 0);
    assert.equal(replicasOf(testService({ replicas: 1, labels: { 'swarmts.autoscale': 'min=2,max=5,cpu=50' } })), 2);
  });
});
