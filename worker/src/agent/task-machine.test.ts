import assert from 'node:assert/strict';
import { isTerminal, TaskState } from '@swarmts/proto';
import { nextAction } from './task-machine.js';

const observedStates = Object.values(TaskState).filter((s) => s !== TaskState.REMOVE);
const LIVE = TaskState.RUNNING;
const LEAVING = [TaskState.SHUTDOWN, TaskState.REMOVE] as const;

describe('a task on its node', () => {
  it('goes from accepted to running one step at a time', () => {
    assert.deepEqual(
      [
        TaskState.ASSIGNED,
        TaskState.ACCEPTED,
        TaskState.PREPARING,
        TaskState.READY,
        TaskState.STARTING,
        TaskState.RUNNING,
      ].map((s) => nextAction(s, LIVE)),
      ['accept', 'prepare', 'prepare', 'start', 'start', 'watch'],
    );
  });

  it('is prepared but not started while READY is all that is desired', () => {
    assert.equal(nextAction(TaskState.ACCEPTED, TaskState.READY), 'prepare');
    assert.equal(nextAction(TaskState.READY, TaskState.READY), 'wait');
  });

  it('runs to its end when completion is desired', () => {
    assert.equal(nextAction(TaskState.READY, TaskState.COMPLETE), 'start');
    assert.equal(nextAction(TaskState.RUNNING, TaskState.COMPLETE), 'watch');
  });

  for (const desired of LEAVING) {
    it(`gives up before the start and stops after it when ${desired} is desired`, () => {
      for (const s of [TaskState.ASSIGNED, TaskState.ACCEPTED, TaskState.PREPARING, TaskState.READY])
        assert.equal(nextAction(s, desired), 'give-up');
      for (const s of [TaskState.STARTING, TaskState.RUNNING]) assert.equal(nextAction(s, desired), 'stop');
    });
  }

  it('does nothing any more once it has ended, and something before', () => {
    for (const s of observedStates) {
      for (const d of [TaskState.READY, LIVE, ...LEAVING])
        assert.equal(nextAction(s, d) === 'nothing', isTerminal(s), `${s} ${d}`);
    }
  });
});
