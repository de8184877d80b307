import assert from 'node:assert/strict';
import { parseInstruction } from './dockerfile.js';
import { declaredArgs } from './stage-plan.js';

const args = (text: string) => declaredArgs(parseInstruction(`ARG ${text}`), new Map([['Y', 'a b']]), '\\');

describe('the arguments that ARG declares', () => {
  it('have values with spaces in quotes or behind escapes', () => {
    assert.deepEqual(args('X="three or more words"'), [['X', 'three or more words']]);
    assert.deepEqual(args(`A='b C=d' E=f\\ g H=$Y`), [
      ['A', 'b C=d'],
      ['E', 'f g'],
      ['H', 'a b'],
    ]);
  });

  it('may come several to a line, with and without a value', () => {
    assert.deepEqual(args('A  B= C=1'), [
      ['A', undefined],
      ['B', ''],
      ['C', '1'],
    ]);
  });

  it('need a name', () => {
    assert.throws(() => args('=x'), /ARG names can not be blank/);
    assert.throws(() => args('A "b c"'), /ARG names can not be blank or have other characters: ""b c""/);
  });
});
