import assert from 'node:assert/strict';
import type { Service, Task } from '../engine-types.js';
import { service, task } from '../testing/objects.js';
import { fulfils, isUp, stateOf } from './state.js';

const nodes = new Set(['n1', 'n2', 'n3']);
const state = (s: Service, tasks: readonly Task[]) => stateOf(s, tasks, nodes);
const up = (s: Service, tasks: readonly Task[]) => isUp(s, state(s, tasks));
const on = (node: string, observed: string, change: Partial<Task> = {}) =>
  task(0, observed, { ID: `${node}${observed}`, Slot: undefined, NodeID: node, ...change });

describe('the state of a service of a stack', () => {
  const global = service({ Spec: { Name: 'g', Mode: { Global: {} } } });

  it('counts the nodes that a global service has tasks on, those alone that are to have one', () => {
    const running = [on('n1', 'running'), on('n2', 'running')];
    assert.ok(up(global, running));
    const drained = on('n3', 'running', { DesiredState: 'shutdown' });
    assert.ok(up(global, [...running, drained]), 'while it stops');
    assert.ok(up(global, [...running, { ...drained, Status: { State: 'shutdown' } }]), 'and when it has');
    assert.ok(up(global, [...running, on('down', 'running')]), 'also on a node that is down');
    assert.ok(!up(global, [...running, on('n3', 'preparing')]));
    assert.ok(!up(global, []), 'before an update has begun');
    assert.ok(up({ ...global, ServiceStatus: { DesiredTasks: 0 } }, []), 'without a node that is to run it');
  });

  it('counts as many tasks as the autoscaler wants', () => {
    const scaled = service({ ServiceStatus: { DesiredTasks: 2 } });
    const tasks = [1, 2].map((n) => task(n, 'running', { NodeID: 'n1' }));
    assert.ok(up(scaled, tasks));
    assert.ok(!up(service(), tasks));
  });

  it('is up when a slot came to its end that the restart policy leaves so', () => {
    const one = service({ ServiceStatus: { DesiredTasks: 1 } });
    const ended = (DesiredState: string) => [task(1, 'complete', { DesiredState, NodeID: 'n1' })];
    assert.ok(up(one, ended('shutdown')));
    assert.ok(!up(one, ended('running')), 'not before that is decided');
    const successor = task(1, 'ready', { DesiredState: 'ready', CreatedAt: '2026-03-01T11:58:00Z' });
    assert.ok(!up(one, [...ended('shutdown'), successor]), 'nor with a successor');
  });

  it('waits neither for the first run of a scheduled job nor for one that fails', () => {
    const job = service({
      Spec: { Name: 'j', Labels: { 'swarmts.schedule': '0 3 * * *' }, Mode: { ReplicatedJob: {} } },
    });
    assert.ok(up(job, []));
    assert.ok(fulfils('service_started', state(job, [])));
    assert.ok(!fulfils('service_completed_successfully', state(job, [])));
    const failed = task(0, 'failed', { Slot: undefined, DesiredState: 'complete', JobIteration: { Index: 0 } });
    assert.equal(state(job, [failed]).problem, '');
  });
});
