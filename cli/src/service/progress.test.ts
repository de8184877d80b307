import assert from 'node:assert/strict';
import type { Service, Task } from '../engine-types.js';
import { service, task } from '../testing/objects.js';
import { type Outcome, type ProgressLine, ServiceProgress } from './progress.js';
import { ProgressDisplay } from './progress-display.js';

const activeNodes = new Set(['node1']);
const texts = (lines: readonly ProgressLine[]) => lines.map((l) => `${l.id}: ${l.text}`);

function read(p: ServiceProgress, tasks: readonly Task[], nowMs: number, s: Service = service()) {
  const { lines, outcome } = p.read({ service: s, tasks, activeNodes }, nowMs);
  return { texts: texts(lines), outcome };
}
const going = (converged: boolean): Outcome => ({ kind: 'going', converged });
const running = [1, 2, 3].map((n) => task(n, 'running'));

describe('progress of a service', () => {
  it('shows every slot, waits for the monitor period, then says converged', () => {
    const p = new ServiceProgress();
    assert.deepEqual(read(p, [], 0).texts, ['overall progress: 0 out of 3 tasks', '1/3:  ', '2/3:  ', '3/3:  ']);
    assert.deepEqual(read(p, [task(1, 'running'), task(2, 'preparing')], 200), {
      texts: ['overall progress: 1 out of 3 tasks', '1/3: running  ', '2/3: preparing'],
      outcome: going(false),
    });
    assert.equal(read(p, running, 400).texts.at(-1), 'verify: Waiting 6 seconds to verify that tasks are stable...');
    assert.deepEqual(read(p, running, 5399).outcome, going(true));
    assert.deepEqual(read(p, running, 5400), { texts: ['verify: Service converged'], outcome: { kind: 'done' } });
  });

  it('starts over when a task fails while it verifies', () => {
    const p = new ServiceProgress();
    read(p, running, 0);
    const failing = [task(1, 'failed', { Status: { State: 'failed', Err: 'exit 1' } }), ...running.slice(1)];
    assert.ok(read(p, failing, 1000).texts.includes('verify: Detected task failure'));
    assert.deepEqual(read(p, running, 5500).outcome, going(true));
    assert.deepEqual(read(p, running, 10_499).outcome, going(true));
    assert.deepEqual(read(p, running, 10_500).outcome, { kind: 'done' });
  });

  it('does not count tasks on nodes that are down or that are to stop', () => {
    const p = new ServiceProgress();
    const lost = task(3, 'running', { NodeID: 'gone' });
    const old = task(2, 'running', { DesiredState: 'shutdown' });
    assert.equal(read(p, [task(1, 'running'), old, lost], 0).texts[0], 'overall progress: 1 out of 3 tasks');
  });

  it('ends with the reason when the update pauses', () => {
    const paused = service({ UpdateStatus: { State: 'paused', Message: 'task x failed' } });
    assert.deepEqual(read(new ServiceProgress(), [], 0, paused).outcome, {
      kind: 'failed',
      message: 'service update paused: task x failed',
    });
  });

  it('ends with an update that it saw, not with one that was over before', () => {
    const p = new ServiceProgress();
    const over = service({ UpdateStatus: { State: 'completed' } });
    assert.deepEqual(read(p, [], 0, over).outcome, going(false));
    assert.deepEqual(read(p, [], 200, over).outcome, going(false));
    read(p, [], 400, service({ UpdateStatus: { State: 'updating' } }));
    assert.deepEqual(read(p, [], 600, over).outcome, { kind: 'done' });
  });

  it('says that it is rolling back', () => {
    const back = service({ UpdateStatus: { State: 'rollback_started', Message: 'update rolled back' } });
    assert.deepEqual(read(new ServiceProgress(), [], 0, back).texts.slice(0, 2), [
      'rollback: update rolled back',
      'overall progress: rolling back update: 0 out of 3 tasks',
    ]);
  });

  it('shows the overall line only with more than twenty slots', () => {
    const many = service({ ServiceStatus: { DesiredTasks: 21 } });
    assert.deepEqual(read(new ServiceProgress(), running, 0, many).texts, ['overall progress: 3 out of 21 tasks']);
  });

  it('takes a service of no replicas for converged', () => {
    const none = service({ ServiceStatus: { DesiredTasks: 0 } });
    assert.deepEqual(read(new ServiceProgress(), [], 0, none).outcome, going(true));
  });

  it('takes a global service that no node is to run for converged, after a while', () => {
    const none = service({ Spec: { Name: 'g', Mode: { Global: {} } }, ServiceStatus: { DesiredTasks: 0 } });
    const p = new ServiceProgress();
    assert.deepEqual(read(p, [], 0, none), {
      texts: ['overall progress: waiting for new tasks'],
      outcome: going(false),
    });
    assert.deepEqual(read(p, [], 2000, none).outcome, going(true));
    assert.deepEqual(read(p, [], 7000, none).outcome, { kind: 'done' });
  });

  it('waits for as many tasks as the autoscaler wants', () => {
    const scaled = service({ ServiceStatus: { DesiredTasks: 2 } });
    assert.deepEqual(read(new ServiceProgress(), running.slice(0, 2), 0, scaled).outcome, going(true));
  });

  it('counts slots that came to their end and are not started again', () => {
    const p = new ServiceProgress();
    const done = task(1, 'complete', { DesiredState: 'shutdown' });
    assert.deepEqual(read(p, [done, ...running.slice(1)], 0), {
      texts: [
        'overall progress: 2 out of 3 tasks, 1 finished',
        '1/3: complete ',
        '2/3: running  ',
        '3/3: running  ',
        'verify: Waiting 6 seconds to verify that tasks are stable...',
      ],
      outcome: going(true),
    });
    // Until the restart policy has been asked, it is desired to run.
    const undecided = task(1, 'complete', { DesiredState: 'running' });
    assert.deepEqual(read(p, [undecided, ...running.slice(1)], 200).outcome, going(false));
  });

  it('fails with a slot that nobody fills again, unless an update decides about it', () => {
    const failed = task(1, 'failed', { DesiredState: 'shutdown', Status: { State: 'failed', Err: 'exit 1' } });
    const tasks = [failed, ...running.slice(1)];
    const p = new ServiceProgress();
    assert.deepEqual(read(p, tasks, 0).outcome, going(false));
    assert.deepEqual(read(p, tasks, 2000).outcome, {
      kind: 'failed',
      message: 'a task failed and is not restarted: exit 1',
    });
    const updating = service({ UpdateStatus: { State: 'updating' } });
    const q = new ServiceProgress();
    assert.deepEqual(read(q, tasks, 0, updating).outcome, going(false));
    assert.deepEqual(read(q, tasks, 2000, updating).outcome, going(false));
  });

  it('has nothing to wait for with a scheduled job, unless it was forced to run', () => {
    const Spec = { Name: 'j', Labels: { 'swarmts.schedule': '0 3 * * *' }, Mode: { ReplicatedJob: {} } };
    assert.deepEqual(read(new ServiceProgress(), [], 0, service({ Spec })).outcome, { kind: 'done' });
    const forced = service({ Spec: { ...Spec, TaskTemplate: { ForceUpdate: 1 } }, PreviousSpec: Spec });
    assert.deepEqual(read(new ServiceProgress(), [], 0, forced).outcome, going(false));
  });

  it('ends a job with its last completion', () => {
    const job = service({ Spec: { Name: 'j', Mode: { ReplicatedJob: { TotalCompletions: 2, MaxConcurrent: 1 } } } });
    const p = new ServiceProgress();
    const done = (n: number) => task(n, 'complete', { DesiredState: 'complete' });
    assert.equal(read(p, [done(1), task(2, 'running', { DesiredState: 'complete' })], 0, job).outcome.kind, 'going');
    assert.deepEqual(read(p, [done(1), done(2)], 200, job).outcome, { kind: 'done' });
  });

  it('waits for every node of a global job', () => {
    const job = service({ Spec: { Name: 'j', Mode: { GlobalJob: {} } } });
    const p = new ServiceProgress();
    const on = (node: string, state: string) =>
      task(0, state, { ID: node, Slot: undefined, NodeID: node, DesiredState: 'complete' });
    assert.equal(read(p, [], 0, job).outcome.kind, 'going');
    assert.equal(read(p, [on('n1', 'new'), on('n2', 'new')], 0, job).outcome.kind, 'going');
    assert.equal(read(p, [on('n1', 'complete'), on('n2', 'running')], 0, job).outcome.kind, 'going');
    assert.deepEqual(read(p, [on('n1', 'complete'), on('n2', 'complete')], 0, job).outcome, { kind: 'done' });
  });
});

describe('the display of progress', () => {
  function display(isTerminal: boolean, columns: number) {
    let out = '';
    const d = new ProgressDisplay({
      write: (t) => {
        out += t;
      },
      pipe: async () => undefined,
      isTerminal,
      columns,
    });
    return { show: (...lines: ProgressLine[]) => d.show(lines), text: () => out };
  }

  it('writes each change once where no terminal is', () => {
    const d = display(false, 80);
    const overall = { id: 'overall progress', text: '0 out of 3 tasks' };
    d.show(overall, { id: '1/3', text: 'running', step: 9 });
    d.show(overall, { id: 'verify', text: 'Service converged' });
    assert.equal(d.text(), 'overall progress: 0 out of 3 tasks\nverify: Service converged\n');
  });

  it('redraws the row of an id on a terminal, with a bar when there is room', () => {
    const d = display(true, 120);
    d.show({ id: 'a', text: 'x' }, { id: '1/1', text: 'new', step: 1 });
    d.show({ id: 'a', text: 'y' });
    assert.equal(d.text(), `a: x\n1/1: new [${'='.repeat(5)}>${' '.repeat(45)}]\n\u001b[2A\u001b[2K\ra: y\u001b[2B\r`);
  });
});
