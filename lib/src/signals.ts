/** Signal names and numbers as `docker kill --signal` and STOPSIGNAL take them. */
import { constants } from 'node:os';
import { SwarmtsError } from './errors.js';

const RT_MIN = 34;
const RT_MAX = 64;

/** "SIGTERM", "TERM", "15", "SIGRTMIN+3" -> number. Throws 'invalid-argument' in Docker's words. */
export function signalNumber(text: string): number {
  const upper = text.toUpperCase();
  if (/^\d+$/.test(text)) {
    const n = Number(text);
    if (n >= 1 && n <= RT_MAX) return n;
  }
  const realTime = /^(?:SIG)?RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(upper);
  if (realTime) {
    const base = realTime[1] === 'MIN' ? RT_MIN : RT_MAX;
    const n = base + Number(`${realTime[2] ?? '+'}${realTime[3] ?? '0'}`);
    if (n >= RT_MIN && n <= RT_MAX) return n;
  }
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const known = Object.entries(constants.signals).find(([k]) => k === name);
  if (known) return known[1];
  throw new SwarmtsError('invalid-argument', `invalid signal: ${text}`);
}
