import assert from 'node:assert/strict';
import { applyConfigInstruction } from './config-instructions.js';
import { parseDockerfile, parseInstruction } from './dockerfile.js';
import { declaredArgs, planStages, withLabels } from './stage-plan.js';

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

describe('labels that are given to a build', () => {
  const labels = { a: 'x$y "z" \\ ` \'w\'', 'b c': 'C:\\', d: '', e: 'two\nlines', 'f=g': 'h=i' };

  for (const [head, escapeChar] of [
    ['', '\\'],
    ['# escape=`\n', '`'],
  ] as const) {
    it(`come out as they were given where ${escapeChar} escapes`, () => {
      const file = parseDockerfile(`${head}FROM a\n`);
      assert.equal(file.escapeChar, escapeChar);
      const plan = withLabels(planStages(file, { buildArgs: new Map(), target: '' }), labels);
      const [instruction] = plan.stages[0]?.instructions ?? [];
      assert.ok(instruction);
      const before = { config: {}, author: '', cmdSet: false };
      const { state } = applyConfigInstruction(instruction, before, { variables: new Map([['y', 'no']]), escapeChar });
      assert.deepEqual(state.config.Labels, labels);
    });
  }
});
