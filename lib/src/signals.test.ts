import assert from 'node:assert/strict';
import { signalNumber } from './signals.js';

describe('a signal', () => {
  for (const [text, number] of [
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['64', 64],
  ] as const) {
    it(`${text} is ${number}`, () => assert.equal(signalNumber(text), number));
  }
  for (const text of ['', '0', '65', 'SIGNOPE', 'RTMIN+31', '-9']) {
    it(`'${text}' is none`, () => assert.throws(() => signalNumber(text), /invalid signal/));
  }
});
