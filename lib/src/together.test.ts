import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import { together } from './together.js';

describe('work that is done together', () => {
  it('gives the result of the first', async () => {
    assert.equal(await together(Promise.resolve(1), Promise.resolve('two'), undefined), 1);
  });

  it('fails with the first that failed, after the others have ended', async () => {
    let ended = false;
    const slow = immediate().then(() => {
      ended = true;
      throw new Error('late');
    });
    await assert.rejects(together(Promise.reject(new Error('early')), slow), /early/);
    assert.equal(ended, true);
    await assert.rejects(together(Promise.resolve(1), Promise.reject(new Error('beside'))), /beside/);
  });
});
