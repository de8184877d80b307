// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Dockerfiles are written so.
import assert from 'node:assert/strict';
import { expandWord, nameValues, splitWords } from './shell-words.js';

const variables = new Map([
  ['A', 'one'],
  ['EMPTY', ''],
  ['Q', 'two words'],
]);
const expand = (text: string) => expandWord(text, variables, '\\');

describe('words of a Dockerfile', () => {
  for (const [text, value] of [
    ['$A', 'one'],
    ['${A}x', 'onex'],
    ['$Ax', ''],
    ['$NONE', ''],
    ["'$A'", '$A'],
    ['"$A b"', 'one b'],
    ['\\$A', '$A'],
    ['"\\$A \\" \\n"', '$A " \\n'],
    ['$', '$'],
    ['a$', 'a$'],
    ['${NONE:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY-other}', ''],
    ['${A:-other}', 'one'],
    ['${A:+set}', 'set'],
    ['${EMPTY:+set}', ''],
    ['${EMPTY+set}', 'set'],
    ['${NONE:-${A}-x}', 'one-x'],
    ['${NONE:-"a b"}', 'a b'],
    ['pre"mid $Q"post', 'premid two wordspost'],
    ['${A:?needed}', 'one'],
  ] as const) {
    it(`${text} is ${JSON.stringify(value)}`, () => {
      assert.equal(expand(text), value);
    });
  }

  for (const [text, message] of [
    ['${A', /unsupported modifier|missing/],
    ['${}', /bad substitution/],
    ["'a", /single-quote/],
    ['"a', /double-quote/],
    ['${A%x}', /unsupported modifier \(%\)/],
    ['${NONE:?needed}', /NONE: needed/],
    ['${A:-x', /missing "}"/],
  ] as const) {
    it(`${text} is refused`, () => {
      assert.throws(() => expand(text), message);
    });
  }

  it('are cut at spaces outside of quotes', () => {
    assert.deepEqual(splitWords('a  "b c"d \\  e\\ f \'g h\'', '\\'), ['a', '"b c"d', '\\ ', 'e\\ f', "'g h'"]);
  });

  it('name values in both forms', () => {
    assert.deepEqual(nameValues('a=1 b="2 3"', 'ENV', '\\'), [
      ['a', '1'],
      ['b', '"2 3"'],
    ]);
    assert.deepEqual(nameValues('a  the  rest', 'ENV', '\\'), [['a', 'the  rest']]);
    assert.throws(() => nameValues('a', 'ENV', '\\'), /ENV must have two arguments/);
    assert.throws(() => nameValues('a=1 b', 'LABEL', '\\'), /can't find = in "b"/);
  });
});
