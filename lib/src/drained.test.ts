import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { drained } from './drained.js';

describe('waiting for room in a stream', () => {
  const full = () => {
    const stream = new PassThrough({ highWaterMark: 4 });
    stream.on('error', () => undefined);
    assert.equal(stream.write('more than it holds'), false);
    return stream;
  };

  it('is over at once where there is some', async () => {
    await drained(new PassThrough());
  });

  it('is over when something was taken, and leaves nothing behind', async () => {
    const stream = full();
    let over = false;
    const waiting = drained(stream).then(() => (over = true));
    await new Promise(setImmediate);
    assert.equal(over, false);
    const before = stream.listenerCount('close');
    stream.resume();
    await waiting;
    assert.equal(stream.listenerCount('close'), before - 1);
  });

  it('is over when nothing will be taken any more', async () => {
    const closed = full();
    const waiting = drained(closed);
    closed.destroy();
    await waiting;
    await drained(closed);
    const failed = full();
    const failing = drained(failed);
    failed.destroy(new Error('reset'));
    await failing;
  });
});
