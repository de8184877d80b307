/** What membership answers, in Docker's words where Docker has some. */
import type { Manager } from '@swarmts/manager';

export const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "swarmts swarm init" or "swarmts swarm join" to connect this node to swarm and try again.';
export const WORKER_ONLY =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";
export const ALREADY_PART =
  'This node is already part of a swarm. Use "swarmts swarm leave" to leave this swarm and join another one.';

export const LOCKED =
  'Swarm is encrypted and needs to be unlocked before it can be used. Please use "swarmts swarm unlock" to unlock it.';

/** What `leave` without force says where nobody has unlocked the manager. */
export const LEAVE_LOCKED =
  'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.';

/** What `leave` without force says on a manager. */
export function leaveWarning(manager: Manager): string {
  const head = 'You are attempting to leave the swarm on a node that is participating as a manager. ';
  const tail = 'Use `--force` to ignore this message.';
  const s = manager.raft.status;
  if (s.voters.length <= 1) return `${head}Removing the last manager erases all current state of the swarm. ${tail}`;
  if (s.leader === 0) return `${head}The swarm has no leader at the moment. ${tail}`;
  const rest = s.voters.length - 1;
  return `${head}Leaving ${rest < 3 ? 'makes the swarm unable to survive the loss of another manager' : `leaves ${rest} managers`}; demote the node first to keep the others consistent. ${tail}`;
}
