import assert from 'node:assert/strict';
import { formatDurationNs, parseDurationNs } from './units.js';

describe('a duration', () => {
  it('is read and written as Go does', () => {
    for (const [text, ns] of [
      ['1h30m', 5_400e9],
      ['-1.5s', -1.5e9],
      ['250ms', 250e6],
      ['2500000h', 9e18],
    ] as const)
      assert.equal(parseDurationNs(text), ns);
    assert.equal(formatDurationNs(5_400e9), '1h30m0s');
  });

  it('is refused where it is none, or longer than 64 bits of nanoseconds', () => {
    for (const text of ['', 'h', '1 h', '1x', '99999999h'])
      assert.throws(() => parseDurationNs(text), /invalid duration/);
    assert.throws(() => parseDurationNs('5'), /missing unit in duration "5"/);
  });
});
