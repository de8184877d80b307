import assert from 'node:assert/strict';
import { findViolation, type Operation } from './register-checker.js';

const write = (value: string, start: number, end: number): Operation => ({ kind: 'write', value, start, end });
const read = (value: string | undefined, start: number, end: number): Operation => ({
  kind: 'read',
  value,
  start,
  end,
});

/** Tries every order that respects real time. */
function isLinearizable(history: readonly Operation[], value?: string): boolean {
  const firstEnd = Math.min(...history.map(({ end }) => end));
  return (
    history.every(({ end }) => end === Number.POSITIVE_INFINITY) ||
    history.some((operation, at) => {
      if (operation.start > firstEnd) return false;
      const rest = history.filter((_, other) => other !== at);
      if (operation.kind === 'write') {
        return isLinearizable(rest, operation.value);
      }
      return operation.value === value && isLinearizable(rest, value);
    })
  );
}

describe('the checker of a history', () => {
  it('accepts reads that may have seen either of two values', () => {
    assert.equal(findViolation([write('a', 1, 4), read(undefined, 2, 3), read('a', 2, 5), read('a', 6, 7)]), undefined);
  });

  it('finds a stale read', () => {
    assert.ok(findViolation([write('a', 1, 2), write('b', 3, 4), read('a', 5, 6)]));
  });

  it('finds a write that was acknowledged and lost', () => {
    assert.ok(findViolation([write('a', 1, 2), read(undefined, 3, 4)]));
  });

  it('finds a value that went back and forth', () => {
    const writes = [write('a', 1, 9), write('b', 1, 9)];
    assert.ok(findViolation([...writes, read('a', 2, 3), read('b', 4, 5), read('a', 6, 7)]));
    assert.equal(findViolation([...writes, read('a', 2, 3), read('b', 4, 5), read('b', 6, 7)]), undefined);
  });

  it('finds a value from nowhere or from the future', () => {
    assert.ok(findViolation([read('a', 1, 2)]));
    assert.ok(findViolation([read('a', 1, 2), write('a', 3, 4)]));
  });

  it('lets a write of unknown outcome happen late or never', () => {
    const lost = write('a', 1, Number.POSITIVE_INFINITY);
    assert.equal(findViolation([lost, read(undefined, 2, 3), write('b', 4, 5), read('b', 6, 7)]), undefined);
    assert.equal(findViolation([lost, write('b', 4, 5), read('b', 6, 7), read('a', 8, 9)]), undefined);
    assert.ok(findViolation([lost, write('b', 4, 5), read('a', 8, 9), read('b', 10, 11)]));
  });

  it('agrees with trying all orders', () => {
    let seed = 1;
    const below = (limit: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % limit;
    };
    const seen = { yes: 0, no: 0 };
    for (let round = 0; round < 3000; round += 1) {
      const history: Operation[] = [];
      const times = Array.from({ length: 14 }, (_, at) => at).sort(() => below(3) - 1);
      for (let at = 0; at < 7; at += 1) {
        const [one = 0, two = 0] = [times[2 * at], times[2 * at + 1]];
        const [start, end] = [Math.min(one, two), Math.max(one, two)];
        const value = ['a', 'b', 'c'][at];
        if (value !== undefined) history.push(write(value, start, below(4) === 0 ? Number.POSITIVE_INFINITY : end));
        else history.push(read([undefined, 'a', 'b', 'c'][below(4)], start, end));
      }
      const expected = isLinearizable(history);
      assert.equal(findViolation(history) === undefined, expected, JSON.stringify(history));
      seen[expected ? 'yes' : 'no'] += 1;
    }
    assert.ok(seen.yes > 100 && seen.no > 100, JSON.stringify(seen));
  });
});
