import assert from 'node:assert/strict';
import { Task, TaskState, TaskStatus } from '@swarmts/proto';
import { taskJson } from './task.js';

describe('the JSON of a task', () => {
  const container = (containerId: string) => {
    const status = TaskStatus.create({
      state: TaskState.ACCEPTED,
      container: { containerId, pid: 0, exitCode: 0, oomKilled: false },
    });
    return (taskJson(Task.create({ id: 't', status })).Status as Record<string, unknown>).ContainerStatus;
  };

  it('tells of a container once there is one: clients exec into what they are told', () => {
    assert.equal(container(''), undefined);
    assert.deepEqual(container('c1'), { ContainerID: 'c1', PID: 0, ExitCode: 0 });
  });
});
