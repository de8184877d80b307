import assert from 'node:assert/strict';
import { parseDockerfile, parseInstruction } from './dockerfile.js';

const texts = (content: string) => parseDockerfile(content).instructions.map((i) => i.text);

describe('a Dockerfile', () => {
  it('is a list of instructions with flags, joined lines and no comments', () => {
    const { instructions, escapeChar } = parseDockerfile(
      '# syntax comment\nFROM --platform=linux/amd64 busybox AS base\n\nrun echo a && \\\n    echo "b c" \\\n  # in between\n\n  && true\nCOPY --from=base --chown=1:2 a b /x/\n',
    );
    assert.equal(escapeChar, '\\');
    assert.deepEqual(
      instructions.map((i) => [i.keyword, i.text, Object.fromEntries(i.flags), i.line]),
      [
        ['FROM', 'busybox AS base', { platform: 'linux/amd64' }, 2],
        ['RUN', 'echo a &&     echo "b c"   && true', {}, 4],
        ['COPY', 'a b /x/', { from: 'base', chown: '1:2' }, 9],
      ],
    );
    assert.equal(instructions[1]?.original, 'run echo a &&     echo "b c"   && true');
  });

  it('keeps quotes, brackets and # inside of a line', () => {
    assert.deepEqual(texts('FROM a\nRUN ["sh", "-c", "echo hi # no"]\nENV A=\'x y\' B="#"\nLABEL a=b'), [
      'a',
      '["sh", "-c", "echo hi # no"]',
      'A=\'x y\' B="#"',
      'a=b',
    ]);
  });

  it('may have another escape character and other line ends', () => {
    const { instructions, escapeChar } = parseDockerfile('# escape=`\r\nFROM a\r\nRUN dir c:\\ `\r\n  more\r\n');
    assert.deepEqual([escapeChar, instructions[1]?.text], ['`', 'dir c:\\   more']);
  });

  for (const [content, message] of [
    ['', /file with no instructions/],
    ['# only a comment\n', /file with no instructions/],
    ['FROM a\nNOPE x', /parse error on line 2: unknown instruction: NOPE/],
    ['FROM a\nRUN', /RUN requires at least one argument/],
    ['FROM a\nUSER', /line 2: USER requires exactly one argument/],
    ['FROM a\nCOPY --owner=x a b', /line 2: Unknown flag: owner/],
    ['FROM a\nCOPY --from=x --from=y a b', /Duplicate flag specified: from/],
    ['FROM a\nRUN --mount=type=cache,target=/x y', /line 2: the --mount option of RUN requires BuildKit/],
    ['FROM a\nCOPY <<EOT /x\nhello\nEOT\n', /line 2: here-documents are not supported/],
  ] as const) {
    it(`refuses ${JSON.stringify(content)} and says where`, () => {
      assert.throws(() => parseDockerfile(content), message);
    });
  }

  it('gives single instructions for triggers and changes', () => {
    assert.deepEqual(parseInstruction(' ENV a=b ').text, 'a=b');
    assert.throws(() => parseInstruction('nope'), /unknown instruction: nope/);
  });
});
