/**
 * The decision of what a task does next on its node: observed state and desired state in, one action out. Pure. PREPARING,
 * STARTING and RUNNING run to their end; the states between look at what is desired first.
 */
import { isTerminal, TaskState } from '@swarmts/proto';

export type TaskAction = 'accept' | 'prepare' | 'start' | 'watch' | 'stop' | 'give-up' | 'wait' | 'nothing';

export function nextAction(observed: TaskState, desired: TaskState): TaskAction {
  if (isTerminal(observed)) return 'nothing';
  const leaving = desired > TaskState.COMPLETE;
  switch (observed) {
    case TaskState.NEW:
    case TaskState.PENDING:
    case TaskState.ASSIGNED:
      return leaving ? 'give-up' : 'accept';
    case TaskState.ACCEPTED:
      return leaving ? 'give-up' : 'prepare';
    case TaskState.PREPARING:
      return leaving ? 'give-up' : 'prepare';
    case TaskState.READY:
      if (leaving) return 'give-up';
      return desired >= TaskState.RUNNING ? 'start' : 'wait';
    case TaskState.STARTING:
      return leaving ? 'stop' : 'start';
    case TaskState.RUNNING:
      return leaving ? 'stop' : 'watch';
    default:
      return 'nothing';
  }
}
