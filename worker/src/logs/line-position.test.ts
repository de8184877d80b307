import assert from 'node:assert/strict';
import { formatLinePosition, isBehind, LineCounter, parseLinePosition } from './line-position.js';

describe('the place of a line in a log', () => {
  it('is its time, and its number among those of that time', () => {
    const counter = new LineCounter();
    const places = [1n, 2n, 2n, 2n, 3n].map((t) => formatLinePosition(counter.next(t)));
    assert.deepEqual(places, ['1 0', '2 0', '2 1', '2 2', '3 0']);
    const kept = { timeNs: 2n, number: 1 };
    // Whoever goes on there begins with the first line of that time.
    const again = new LineCounter();
    const left = [2n, 2n, 2n, 3n].map((t) => again.next(t)).filter((p) => isBehind(p, kept));
    assert.deepEqual(left.map(formatLinePosition), ['2 2', '3 0']);
  });

  it('is written and read', () => {
    assert.deepEqual(parseLinePosition('12 3\n'), { timeNs: 12n, number: 3 });
    assert.deepEqual(parseLinePosition(formatLinePosition({ timeNs: 5n, number: 0 })), { timeNs: 5n, number: 0 });
    assert.equal(isBehind({ timeNs: 7n, number: 9 }, parseLinePosition('7') ?? { timeNs: 0n, number: 0 }), false);
    for (const text of ['', 'x', '1 x', '-1']) assert.equal(parseLinePosition(text), undefined, text);
  });
});
