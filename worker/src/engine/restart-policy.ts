/** When a container that has ended is started again, and how long that waits. Pure; the rules are Docker's. */
import type { RestartPolicy } from './container-config.js';

export const NO_RESTART: RestartPolicy = { name: 'no', maxRetries: 0 };

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** One that ran for so long is not in a loop: the next delay is the first one again. */
const STEADY_MS = 10_000;

export interface EndedRun {
  readonly exitCode: number;
  /** Somebody has stopped it, or sent it a signal where the policy heeds all. */
  readonly stoppedByUser: boolean;
  /** How often the policy has started it since a user did. */
  readonly restartCount: number;
}

export function wantsRestart(policy: RestartPolicy, run: EndedRun): boolean {
  switch (policy.name) {
    case 'no':
      return false;
    case 'always':
      return true;
    case 'unless-stopped':
      return !run.stoppedByUser;
    case 'on-failure': {
      const left = policy.maxRetries === 0 || run.restartCount < policy.maxRetries;
      return run.exitCode !== 0 && left && !run.stoppedByUser;
    }
  }
}

/** Doubles from one quick end to the next. `lastMs` is 0 before the first one. */
export function nextRestartDelayMs(lastMs: number, ranMs: number): number {
  if (lastMs === 0 || ranMs >= STEADY_MS) return FIRST_DELAY_MS;
  return Math.min(lastMs * 2, LONGEST_DELAY_MS);
}
