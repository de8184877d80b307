/** How a task came to be no good for its seat any more. */
import { type Node, NodeState, observedState, type Task, TaskState } from '@swarmts/proto';
import { isDrained } from './new-task.js';

/** 'ended': by itself; 'node': its node is down or gone; 'drain': its node is to be emptied. */
export type Loss = 'none' | 'ended' | 'node' | 'drain';

export function lossOf(task: Task, nodes: ReadonlyMap<string, Node>): Loss {
  if (observedState(task) > TaskState.RUNNING) return 'ended';
  if (task.nodeId === '') return 'none';
  const node = nodes.get(task.nodeId);
  if (!node || node.status?.state === NodeState.DOWN) return 'node';
  return isDrained(node) ? 'drain' : 'none';
}
