import assert from 'node:assert/strict';
import fc from 'fast-check';
import { humanDuration } from './duration.js';
import { compareNatural } from './natural.js';
import { binarySize, humanSize } from './size.js';
import { alignTable } from './table.js';

describe('tables', () => {
  it('align columns three apart, none narrower than ten, the last as it is', () => {
    assert.equal(alignTable('ID\tNAME\nabcdefghijkl\tx'), 'ID             NAME\nabcdefghijkl   x');
    assert.equal(alignTable('A\tB\tC'), 'A         B         C');
  });

  it('start every cell of a column at the same place', () => {
    const cell = fc.stringMatching(/^[a-z]{0,20}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
        const lines = alignTable(rows.map(([a, b]) => `${a}\t|${b}`).join('\n')).split('\n');
        return new Set(lines.map((l) => l.indexOf('|'))).size === 1;
      }),
    );
  });
});

describe('units', () => {
  const S = 1000;
  for (const [ms, expected] of [
    [-5, 'Less than a second'],
    [S, '1 second'],
    [59 * S, '59 seconds'],
    [60 * S, 'About a minute'],
    [3 * 60 * S, '3 minutes'],
    [3600 * S, 'About an hour'],
    [47 * 3600 * S, '47 hours'],
    [48 * 3600 * S, '2 days'],
    [15 * 86400 * S, '2 weeks'],
    [90 * 86400 * S, '3 months'],
    [800 * 86400 * S, '2 years'],
  ] as const) {
    it(`${ms} ms is ${expected}`, () => assert.equal(humanDuration(ms), expected));
  }

  it('scales sizes', () => {
    assert.deepEqual(
      [humanSize(999), humanSize(4261502, 3), binarySize(1536), binarySize(8 * 1024 ** 3)],
      ['999B', '4.26MB', '1.5KiB', '8GiB'],
    );
  });

  it('orders names by their numbers', () => {
    assert.deepEqual(['web.10', 'web.2', 'api.3'].sort(compareNatural), ['api.3', 'web.2', 'web.10']);
  });
});
