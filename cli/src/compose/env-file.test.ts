// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of compose files look like those of template strings.
import assert from 'node:assert/strict';
import { parseRawVariables, parseVariables } from './env-file.js';

const CALLER: Readonly<Record<string, string>> = { HOME: '/root', TAG: 'caller' };
const parse = (...lines: readonly string[]) => parseVariables(lines.join('\n'), (name) => CALLER[name]);

describe('a file of variables', () => {
  it('has names, comments and empty lines, and may be a script that exports', () => {
    assert.deepEqual(
      parse('# c', '', 'A=1', '  B = 2 ', 'export C=3', 'D: 4', 'E=', 'F.g-h[0]=5', 'G=a=b', '\u00e9=x'),
      {
        ...{ A: '1', B: '2', C: '3', D: '4', E: '', 'F.g-h[0]': '5', G: 'a=b' },
        '\u00e9': 'x',
      },
    );
    assert.deepEqual(parse('\uFEFFA=1\r', 'B=2\r', ''), { A: '1', B: '2' });
  });

  it('fills in variables of earlier lines and of the caller, but not in single quotes', () => {
    assert.deepEqual(
      parse('TAG=own', 'A=${TAG}-$HOME', 'B="${TAG} x"', "C='${TAG}'", 'D=${NONE:-d}', 'E=$$x', 'F=$LATER', 'LATER=1'),
      {
        ...{ TAG: 'own', A: 'own-/root', B: 'own x', C: '${TAG}', D: 'd', E: '$x', F: '', LATER: '1' },
      },
    );
  });

  it('takes the value of the caller for a name alone, and leaves out what the caller lacks', () => {
    assert.deepEqual(parse('HOME', 'NONE', 'A=1'), { HOME: '/root', A: '1' });
  });

  it('ends values without quotes at a comment behind a space', () => {
    assert.deepEqual(parse('A=x # c', 'B=x#y', 'C=#x', 'D= # c', 'E="x # y" # c', "F='#' # c"), {
      ...{ A: 'x', B: 'x#y', C: '#x', D: '', E: 'x # y', F: '#' },
    });
  });

  it('has escapes in double quotes, and values of several lines', () => {
    assert.deepEqual(
      parse('A="a\\tb\\n\\"c\\" \\\\ \\$HOME \\q"', "B='it\\'s \\n'", 'C="one', 'two"', "D='x", "y'", 'E=\\n'),
      {
        ...{ A: 'a\tb\n"c" \\ $HOME \\q', B: "it's \\n", C: 'one\ntwo', D: 'x\ny', E: '\\n' },
      },
    );
  });

  it('is refused with the line that is wrong', () => {
    assert.throws(() => parse('A=1', '1B=2'), /line 2: a variable's name begins with a letter or _: 1B=2/);
    assert.throws(() => parse('A=1', 'B C=2'), /line 2: unexpected text: C=2/);
    assert.throws(() => parse('A="x'), /line 1: the quote that "x begins with is not closed/);
    assert.throws(() => parse('A="x" y'), /line 1: unexpected text: y/);
    assert.throws(() => parse('', 'A=${X:?set it}'), /line 2: required variable X is missing a value: set it/);
    assert.throws(() => parse('A=a$'), /line 1: .*write \$\$ for a dollar/);
  });

  it('is taken as it is when it is raw', () => {
    const text = '# c\nA="x" # $HOME\r\nHOME\nNONE\n\nB=\n';
    assert.deepEqual(
      parseRawVariables(text, (n) => CALLER[n]),
      { A: '"x" # $HOME', HOME: '/root', B: '' },
    );
  });
});
