import assert from 'node:assert/strict';
import { DetachFilter, parseDetachKeys } from './detach-keys.js';

describe('detach keys', () => {
  it('are named as Docker names them', () => {
    assert.deepEqual([...parseDetachKeys('')], [16, 17]);
    assert.deepEqual([...parseDetachKeys('ctrl-@,a,ctrl-\\,Z')], [0, 97, 28, 90]);
    for (const bad of ['ctrl-', 'ctrl-A', 'ctrl-ä', 'abc', 'a,,b'])
      assert.throws(() => parseDetachKeys(bad), /Invalid detach keys/);
  });

  it('are found over chunks, and what only looks like them is passed on', () => {
    const typed = (...chunks: string[]) => {
      const filter = new DetachFilter(parseDetachKeys('a,b,c'));
      let text = '';
      for (const c of chunks) {
        const { bytes, detached } = filter.push(Buffer.from(c));
        text += Buffer.from(bytes).toString();
        if (detached) return `${text}!`;
      }
      return text;
    };
    assert.equal(typed('xa', 'b', 'cy'), 'x!');
    assert.equal(typed('ab', 'x'), 'abx');
    assert.equal(typed('aabc'), 'a!');
    assert.equal(typed('hello'), 'hello');
  });
});
