/** Shared work: joined, cancelled by the last one only, never joined while dying. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { SharedJobs, Slots } from './shared-jobs.js';

function deferred<T>() {
  let resolve: (v: T) => void = () => undefined;
  let reject: (e: unknown) => void = () => undefined;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}

describe('shared jobs', () => {
  it('run once for all that ask meanwhile, and tell a late joiner the newest progress', async () => {
    const jobs = new SharedJobs<string, number>();
    const work = deferred<string>();
    let starts = 0;
    let report: (p: number) => void = () => undefined;
    const start = (_s: AbortSignal, r: (p: number) => void) => {
      starts++;
      report = r;
      return work.promise;
    };
    const first = jobs.run('k', start);
    await Promise.resolve();
    await Promise.resolve();
    report(7);
    const heard: number[] = [];
    const second = jobs.run('k', start, { onProgress: (p) => heard.push(p) });
    work.resolve('done');
    assert.deepEqual([await first, await second, starts, heard], ['done', 'done', 1, [7]]);
    assert.equal(jobs.size, 0);
  });

  it('go on while one caller is left, and are aborted with the last', async () => {
    const jobs = new SharedJobs<void, never>();
    let aborted = false;
    const start = (s: AbortSignal) =>
      new Promise<void>((_, reject) =>
        s.addEventListener('abort', () => {
          aborted = true;
          reject(s.reason);
        }),
      );
    const [a, b] = [new AbortController(), new AbortController()];
    const first = jobs.run('k', start, { signal: a.signal });
    const second = jobs.run('k', start, { signal: b.signal });
    a.abort(new Error('a'));
    await assert.rejects(first, (e) => isSwarmtsError(e, 'aborted'));
    assert.equal(aborted, false);
    b.abort(new Error('b'));
    await assert.rejects(second, (e) => isSwarmtsError(e, 'aborted'));
    assert.equal(aborted, true);
    assert.equal(await new SharedJobs<string, never>().run('k', async () => 'fresh'), 'fresh');
    assert.equal(jobs.size, 0);
  });

  it('are not joined once they have been abandoned', async () => {
    const jobs = new SharedJobs<string, never>();
    const a = new AbortController();
    const never = jobs.run('k', () => new Promise<string>(() => undefined), { signal: a.signal });
    a.abort(new Error('enough'));
    await assert.rejects(never);
    assert.equal(await jobs.run('k', async () => 'second'), 'second');
  });

  it('are not forgotten when one before them ends that was given up', async () => {
    const jobs = new SharedJobs<number, never>();
    const works = [deferred<number>(), deferred<number>()];
    let starts = 0;
    const start = () => works[starts++]?.promise ?? assert.fail('a third one was started');
    const left = new AbortController();
    const first = jobs.run('k', start, { signal: left.signal });
    await Promise.resolve();
    left.abort(new Error('left'));
    await assert.rejects(first, /left/);
    const second = jobs.run('k', start);
    works[0]?.resolve(1);
    await new Promise((resolve) => setImmediate(resolve));
    const third = jobs.run('k', start);
    works[1]?.resolve(2);
    assert.deepEqual([await second, await third, starts], [2, 2, 2]);
  });

  it('give every caller the failure', async () => {
    const jobs = new SharedJobs<void, never>();
    const start = async () => {
      throw new Error('broken');
    };
    const all = await Promise.allSettled([jobs.run('k', start), jobs.run('k', start)]);
    assert.deepEqual(
      all.map((r) => r.status),
      ['rejected', 'rejected'],
    );
  });
});

describe('slots', () => {
  it('let so many in, and the next when one leaves, however it leaves', async () => {
    const slots = new Slots(2);
    const gates = [deferred<void>(), deferred<void>(), deferred<void>()];
    let inside = 0;
    const runs = gates.map((g) =>
      slots.use(async () => {
        inside++;
        await g.promise;
      }),
    );
    await new Promise((r) => setImmediate(r));
    assert.equal(inside, 2);
    gates[0]?.reject(new Error('x'));
    await assert.rejects(runs[0] ?? Promise.resolve());
    await new Promise((r) => setImmediate(r));
    assert.equal(inside, 3);
    for (const g of gates) g.resolve();
    await Promise.all(runs.slice(1));
  });
});
