import assert from 'node:assert/strict';
import { formatScript, parseScript } from './data-driven.js';

describe('a script file', () => {
  it('is read into commands, arguments, input and expected output', () => {
    const text = '# why\n\npropose 1 x \\\n  voters=(1,2) late=true\ninput 1\ninput 2\n----\nok\nfine\n\nnext\n----\n';
    const { directives } = parseScript('a.txt', text);
    assert.deepEqual(
      directives.map(({ command, args, input, expected, place }) => ({
        command,
        args,
        input,
        expected,
        line: place.line,
      })),
      [
        {
          ...{ command: 'propose', line: 3, input: 'input 1\ninput 2', expected: 'ok\nfine\n' },
          args: [
            { key: '1', values: [] },
            { key: 'x', values: [] },
            { key: 'voters', values: ['1', '2'] },
            { key: 'late', values: ['true'] },
          ],
        },
        { command: 'next', line: 11, input: '', expected: '', args: [] },
      ],
    );
  });

  it('may expect blank lines between double separators', () => {
    const text = 'show\n----\n----\na\n\nb\n----\n----\n\nshow\n----\nc\n';
    const script = parseScript('a.txt', text);
    assert.deepEqual(
      script.directives.map(({ expected }) => expected),
      ['a\n\nb\n', 'c\n'],
    );
    assert.equal(formatScript(script, ['a\n\nb', 'c\n']), text);
  });

  it('keeps its comments, also behind the last command, when it is written again', () => {
    const text = '# first\nshow\n----\na\n\n# last\n';
    assert.equal(formatScript(parseScript('a.txt', text), ['b']), text.replace('\na\n', '\nb\n'));
  });
});
