import assert from 'node:assert/strict';
import { linesInOrder } from './lines-in-order.js';

describe('lines of several tasks', () => {
  const line = (time: number, bytes = 1) => ({ timeNs: BigInt(time), data: Buffer.alloc(bytes) });
  const times = async (lines: AsyncIterable<ReturnType<typeof line> | { readonly warning: string }>) => {
    const seen: (number | string)[] = [];
    for await (const l of lines) seen.push('warning' in l ? l.warning : Number(l.timeNs));
    return seen;
  };

  it('come in the order of their times, and warnings behind them', async () => {
    async function* pieces() {
      yield [line(3), line(5)];
      yield [{ warning: 'a node is away' }];
      yield [line(1), line(4)];
    }
    assert.deepEqual(await times(linesInOrder(pieces())), [1, 3, 4, 5, 'a node is away']);
  });

  it('come before all are there when they are too many', async () => {
    let asked = 0;
    async function* pieces() {
      for (;;) yield [line(100 - asked++, 1000)];
    }
    const first: number[] = [];
    for await (const l of linesInOrder(pieces(), 5_000)) {
      if ('timeNs' in l) first.push(Number(l.timeNs));
      if (first.length === 6) break;
    }
    assert.deepEqual([first, asked], [[97, 98, 99, 100, 96, 95], 6]);
  });
});
