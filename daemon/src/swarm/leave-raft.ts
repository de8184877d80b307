/** What a manager that leaves the swarm says to the others. */
import { type Clock, type Logger, SwarmtsError, sleep } from '@swarmts/lib';
import type { Manager } from '@swarmts/manager';

const TIMEOUT_MS = 8_000;
const POLL_MS = 50;

export interface LeaveRaftOptions {
  /** Of the node that leaves. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Tells the other managers, as far as there are some that can be told. */
export async function leaveRaft(manager: Manager, { nodeId, clock, log }: LeaveRaftOptions): Promise<void> {
  if (manager.managers().length <= 1) return;
  try {
    const deadline = clock.monotonic() + TIMEOUT_MS;
    if (!manager.raft.leader) throw new SwarmtsError('no-leader', 'there is no leader');
    await manager.call('managerLeaves', { nodeId });
    while (manager.store.get('node', nodeId)?.managerStatus && clock.monotonic() < deadline)
      await sleep(clock, POLL_MS);
  } catch (e) {
    log.warn('left without the consent of the other managers; `node demote` and `node rm` there', { error: e });
  }
}
