import assert from 'node:assert/strict';
import { Channel } from './channel.js';

describe('a channel', () => {
  it('passes values on in order and ends', async () => {
    const c = new Channel<number>(2);
    const all: number[] = [];
    const reading = (async () => {
      for await (const n of c) all.push(n);
    })();
    for (let i = 0; i < 10; i++) await c.push(i);
    c.close();
    await reading;
    assert.deepEqual(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('makes the writer wait for a slow reader', async () => {
    const c = new Channel<number>(2);
    let pushed = 0;
    const writing = (async () => {
      for (let i = 0; i < 5; i++) {
        await c.push(i);
        pushed++;
      }
      c.close();
    })();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(pushed, 2);
    for await (const n of c) assert.ok(pushed <= n + 4);
    await writing;
    assert.equal(pushed, 5);
  });

  it('lets the writer go when the reader has gone', async () => {
    const c = new Channel<number>(1);
    const writing = (async () => {
      for (let i = 0; i < 5; i++) await c.push(i);
    })();
    for await (const n of c) if (n === 1) break;
    await writing;
  });
});
