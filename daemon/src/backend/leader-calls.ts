/**
 * Operations on the leader while leaders change: a manager that is stopped, because it was demoted, cuts off what it runs or has
 * forwarded. Such a call has the same outcome for its caller as one that finds no leader. Reads are asked again for a while.
 */
import { asSwarmtsError, type Clock, SwarmtsError, sleep } from '@swarmts/lib';
import {
  type Manager,
  NO_LEADER,
  type OperationArgs,
  type OperationName,
  type OperationResult,
} from '@swarmts/manager';

/** As long as a manager looks for a leader. */
const RETRY_MS = 3_000;
const POLL_MS = 50;

export interface LeaderCallsOptions {
  readonly clock: Clock;
  /** The manager that this node is now. */
  readonly manager: () => Pick<Manager, 'call'> | undefined;
}

/** Throws SwarmtsError: 'no-leader' for a call that was cut off, and whether a change was made is not known then. */
export async function callLeader<K extends OperationName>(
  manager: Pick<Manager, 'call'>,
  name: K,
  args: OperationArgs<K>,
  o: LeaderCallsOptions,
): Promise<OperationResult<K>> {
  const deadline = o.clock.monotonic() + RETRY_MS;
  for (let now = manager; ; ) {
    try {
      return await now.call(name, args);
    } catch (e) {
      const error = leaderError(e);
      const next = o.manager();
      const again = isCutOff(e) && isRead(name) && next !== undefined && o.clock.monotonic() < deadline;
      if (!again) throw error;
      await sleep(o.clock, POLL_MS);
      now = o.manager() ?? next;
    }
  }
}

/** What a caller is told: nothing of aborted reads and cancelled streams. */
export function leaderError(e: unknown): SwarmtsError {
  return isCutOff(e) ? new SwarmtsError('no-leader', NO_LEADER, { cause: e }) : asSwarmtsError(e);
}

function isCutOff(e: unknown): boolean {
  return asSwarmtsError(e).code === 'aborted';
}

function isRead(name: OperationName): boolean {
  return /^(list|get|explain|plan|describe)/.test(name);
}
