import assert from 'node:assert/strict';
import { Task, TaskState, TaskStatus } from '@swarmts/proto';
import { taskJson } from './task.js';

describe('the JSON of a task', () => {
  const container = (state: TaskState, containerId: string) => {
    const status = TaskStatus.create({
      state,
      container: { containerId, pid: 0, exitCode: 0, oomKilled: false },
    });
    return (taskJson(Task.create({ id: 't', status })).Status as Record<string, unknown>).ContainerStatus;
  };

  it('tells of a container once it is started: clients exec into what they are told of', () => {
    assert.equal(container(TaskState.ACCEPTED, ''), undefined);
    assert.equal(container(TaskState.READY, 'c1'), undefined);
    assert.equal(container(TaskState.REJECTED, ''), undefined);
    const told = { ContainerID: 'c1', PID: 0, ExitCode: 0 };
    for (const state of [TaskState.STARTING, TaskState.RUNNING, TaskState.FAILED])
      assert.deepEqual(container(state, 'c1'), told);
  });
});
