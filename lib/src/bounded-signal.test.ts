import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { boundedSignal } from './bounded-signal.js';

describe('a bounded signal', () => {
  it('aborts after its time, also when nobody but a listener knows it while memory is tidied up', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const aborted = once(boundedSignal(new AbortController().signal, 30).signal, 'abort');
    const tidying = setInterval(collect, 5);
    await aborted.finally(() => clearInterval(tidying));
  });

  it('aborts with the one that it is made of, and says why', () => {
    const outer = new AbortController();
    const bounded = boundedSignal(outer.signal, 60_000);
    assert.equal(bounded.signal.aborted, false);
    outer.abort(new Error('stopped'));
    assert.match(String(bounded.signal.reason), /stopped/);
    bounded.release();
    const late = boundedSignal(outer.signal, 60_000);
    assert.equal(late.signal.aborted, true);
    late.release();
  });

  it('does not abort any more once it is released', async () => {
    const outer = new AbortController();
    const bounded = boundedSignal(outer.signal, 5);
    bounded.release();
    outer.abort();
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(bounded.signal.aborted, false);
  });
});
