// The short form of membership changes in scripts: `v1 l2 r3 u4` adds voter 1 and learner 2, removes 3 and updates 4.
import type { ConfChangeStep, ConfChangeType } from '../types.js';
import { STEP_LETTERS } from './notation.js';

const TYPES = new Map<string, ConfChangeType>(
  (Object.keys(STEP_LETTERS) as ConfChangeType[]).map((type) => [STEP_LETTERS[type], type]),
);

/** The steps, or in etcd's words what is wrong with the text. */
export function parseSteps(text: string): readonly ConfChangeStep[] | string {
  const steps: ConfChangeStep[] = [];
  for (const token of text.split(' ').filter((each) => each !== '')) {
    if (token.length < 2) return `unknown token ${token}`;
    const type = TYPES.get(token.charAt(0));
    if (type === undefined) return `unknown input: ${token}`;
    const digits = token.slice(1);
    if (!/^\d+$/.test(digits)) return `strconv.ParseUint: parsing "${digits}": invalid syntax`;
    steps.push({ type, id: Number(digits) });
  }
  return steps;
}
