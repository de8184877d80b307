/** What a manager that joins makes of how that failed. */
import type { ErrorCode } from '@swarmts/lib';

/** The leader's answers to a manager that it will not have with its present Raft id. */
export const notTakenIn: readonly ErrorCode[] = ['conflict', 'permission-denied', 'not-found'];
/** The managers did not answer: whether they have done what was asked of them is not known. */
export const unanswered: readonly ErrorCode[] = [
  'unavailable',
  'resource-exhausted',
  'no-leader',
  'not-leader',
  'timeout',
  'aborted',
];
