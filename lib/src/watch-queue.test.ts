import assert from 'node:assert/strict';
import { WatchQueue } from './watch-queue.js';

describe('a queue of watches', () => {
  it('tells everybody else what one listener cannot take, and says so', () => {
    const failures: unknown[] = [];
    const heard: number[] = [];
    const queue = new WatchQueue<number>((e) => failures.push(e));
    const broken = new Error('it is broken');
    queue.subscribe(() => {
      throw broken;
    });
    const watch = queue.subscribe((n) => heard.push(n));
    queue.publish(1);
    queue.publish(2);
    watch.close();
    queue.publish(3);
    assert.deepEqual(heard, [1, 2]);
    assert.deepEqual(failures, [broken, broken, broken]);
  });
});
