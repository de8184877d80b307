/** What a manager that joins makes of a question that failed. */
import type { ErrorCode } from '@swarmts/lib';

/** The managers did not answer: whether they have done what was asked of them is not known. */
export const unanswered: readonly ErrorCode[] = [
  'unavailable',
  'resource-exhausted',
  'no-leader',
  'not-leader',
  'timeout',
  'aborted',
];
