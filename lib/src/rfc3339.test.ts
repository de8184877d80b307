import assert from 'node:assert/strict';
import { parseTimeNs, timeNanoFixed, timestampOf } from './rfc3339.js';

describe('times with nanoseconds', () => {
  it('are read and written without losing a digit', () => {
    for (const text of ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05.000000001Z'])
      assert.equal(timeNanoFixed(parseTimeNs(text) ?? 0n), text);
    assert.equal(timestampOf(parseTimeNs('1970-01-01T00:00:07.5Z') ?? 0n), '7.500000000');
    assert.equal(parseTimeNs('2026-01-02T04:04:05.1+01:00'), parseTimeNs('2026-01-02T03:04:05.100Z'));
    assert.equal(parseTimeNs('2026-01-02'), BigInt(Date.UTC(2026, 0, 2)) * 1_000_000n);
  });

  it('are nothing where there is no time', () => {
    for (const text of ['', 'nope', '12:00', '2026-01-02T03:04:05.Z', '2026-13-02T03:04:05.123Z'])
      assert.equal(parseTimeNs(text), undefined, text);
  });
});
