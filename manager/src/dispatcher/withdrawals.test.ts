import assert from 'node:assert/strict';
import { Withdrawals } from './withdrawals.js';

const task = (taskId: string) => ({ taskId, nodeId: `node of ${taskId}` });

describe('the withdrawal of tasks', () => {
  it('is done when every node that was told has applied it', () => {
    const w = new Withdrawals<string>();
    assert.deepEqual(w.begin([task('t')], new Map(Object.entries({ a: 3, b: 9 }))), []);
    assert.deepEqual(w.applied('a', 2), [], 'that was before');
    assert.deepEqual(w.applied('a', 3), []);
    assert.deepEqual(w.applied('b', 10), [task('t')]);
    assert.deepEqual(w.applied('b', 11), [], 'once');
  });

  it('is done at once where nobody had to be told', () => {
    assert.deepEqual(new Withdrawals<string>().begin([task('t')], new Map()), [task('t')]);
  });

  it('waits for no node that is gone, nor for strangers', () => {
    const w = new Withdrawals<string>();
    w.begin([task('t'), task('u')], new Map([['a', 1]]));
    assert.deepEqual(w.applied('c', 99), []);
    assert.deepEqual(w.dropped('a'), [task('t'), task('u')]);
  });
});
