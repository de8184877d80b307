/** What filters let through. */
import assert from 'node:assert/strict';
import { acceptsName, acceptsPrunedLabels, parseFilters } from './filters.js';

describe('filters', () => {
  it('take names whole, in part, and as regular expressions of Go', () => {
    const fits = (name: string, ...values: string[]) => acceptsName(new Map([['name', values]]), name);
    for (const pattern of ['web', 'we', '^web$', 'w.b', '(?i)WEB', '^(db|web)$'])
      assert.ok(fits('web', pattern), pattern);
    for (const pattern of ['^we$', 'webs', '^b', 'W']) assert.ok(!fits('web', pattern), pattern);
    assert.ok(fits('web', 'db', 'web'), 'one of them');
    assert.ok(acceptsName(new Map(), 'web'), 'no filter');
  });

  it('are none where clients in Go send null for them', () => {
    const read = (filters: string) => [...parseFilters(new URLSearchParams({ filters }), ['name'])];
    assert.deepEqual([read('null'), read(''), read('{}')], [[], [], []]);
    assert.deepEqual(read('{"name":["a"]}'), [['name', ['a']]]);
    assert.throws(() => read('[]'), /not a JSON object/);
  });

  it('let a pattern that cannot be read fit nothing, and none take long', () => {
    assert.ok(!acceptsName(new Map([['name', ['[']]]), '[x'));
    assert.ok(!acceptsName(new Map([['name', ['^(a+)+$']]]), `${'a'.repeat(60)}!`));
  });

  it('prune what has all of the labels, and not all of those that spare', () => {
    const pruned = (label: string[], spared: string[], labels: Record<string, string>) =>
      acceptsPrunedLabels(
        new Map([['label', label], ...(spared.length > 0 ? [['label!', spared] as const] : [])]),
        labels,
      );
    assert.ok(pruned([], [], {}));
    assert.ok(pruned(['a', 'b=1'], [], { a: '', b: '1' }));
    assert.ok(!pruned(['a', 'b=2'], [], { a: '', b: '1' }));
    assert.ok(!pruned([], ['a'], { a: 'x' }));
    assert.ok(pruned([], ['a', 'b'], { a: 'x' }));
  });
});
