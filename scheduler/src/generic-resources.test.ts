import assert from 'node:assert/strict';
import { GenericResource } from '@swarmts/proto';
import { GenericPool } from './generic-resources.js';

const counted = (kind: string, count: number) => GenericResource.create({ kind, count });
const named = (kind: string, ...names: readonly string[]) =>
  names.map((value) => GenericResource.create({ kind, value }));

function pool(...total: readonly GenericResource[]): GenericPool {
  const p = new GenericPool();
  p.setTotal(total);
  return p;
}

describe('user-defined resources', () => {
  it('that are counted are given while there are enough', () => {
    const p = pool(counted('gpu', 3));
    assert.deepEqual(p.claim([counted('gpu', 2)]), [counted('gpu', 2)]);
    p.take([counted('gpu', 2)]);
    assert.equal(p.claim([counted('gpu', 2)]), undefined);
    assert.deepEqual(p.claim([counted('gpu', 1)]), [counted('gpu', 1)]);
    p.giveBack([counted('gpu', 2)]);
    assert.deepEqual(p.claim([counted('gpu', 3)]), [counted('gpu', 3)]);
  });

  it('that have names are given by name, each once', () => {
    const p = pool(...named('gpu', 'a', 'b', 'c'));
    const first = p.claim([counted('gpu', 2)]);
    assert.deepEqual(first, named('gpu', 'a', 'b'));
    p.take(first ?? []);
    assert.deepEqual(p.claim([counted('gpu', 1)]), named('gpu', 'c'));
    assert.equal(p.claim([counted('gpu', 2)]), undefined);
  });

  it('of several kinds are all given or none', () => {
    const p = pool(counted('gpu', 1), ...named('ssd', 'x'));
    assert.equal(p.claim([counted('gpu', 1), counted('ssd', 2)]), undefined);
    assert.equal(p.claim([counted('tape', 1)]), undefined);
    assert.equal(p.claim([counted('gpu', 1), counted('ssd', 1)])?.length, 2);
  });

  it('do not hold any more when the node has fewer', () => {
    const p = pool(counted('gpu', 2), ...named('ssd', 'x'));
    p.take([counted('gpu', 2), ...named('ssd', 'x')]);
    assert.ok(p.holds());
    p.setTotal([counted('gpu', 1), ...named('ssd', 'x')]);
    assert.ok(!p.holds());
    p.setTotal([counted('gpu', 2), ...named('ssd', 'y')]);
    assert.ok(!p.holds());
  });
});
