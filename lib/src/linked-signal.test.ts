import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { linkedSignal, streamUnderSignals, underSignals } from './linked-signal.js';

describe('a linked signal', () => {
  const two = () => [new AbortController(), new AbortController()] as const;
  const listeners = (...controllers: readonly AbortController[]) =>
    controllers.map((c) => getEventListeners(c.signal, 'abort').length);

  it('aborts with the first of those that it is made of, says why, and lets go of the others', () => {
    const [a, b] = two();
    const { signal } = linkedSignal(a.signal, undefined, b.signal);
    assert.deepEqual([signal.aborted, listeners(a, b)], [false, [1, 1]]);
    b.abort(new Error('first'));
    assert.match(String(signal.reason), /first/);
    assert.deepEqual(listeners(a, b), [0, 0]);
    a.abort(new Error('second'));
    assert.match(String(signal.reason), /first/);
  });

  it('is aborted where one of them was, and holds on to none', () => {
    const [a, b] = two();
    b.abort(new Error('before'));
    assert.match(String(linkedSignal(a.signal, b.signal).signal.reason), /before/);
    assert.deepEqual(listeners(a, b), [0, 0]);
  });

  it('lets go of them when the work is over, however that ends', async () => {
    const [a, b] = two();
    const both = [a.signal, b.signal];
    assert.equal(await underSignals(both, async (s) => s.aborted), false);
    await assert.rejects(
      underSignals(both, async () => {
        throw new Error('broken');
      }),
      /broken/,
    );
    for await (const n of streamUnderSignals(both, () => numbers())) if (n === 1) break;
    assert.deepEqual(listeners(a, b), [0, 0]);
  });

  async function* numbers() {
    for (let n = 0; n < 3; n++) yield n;
  }
});
