import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rewritten, runScript } from './run-script.js';

const TESTDATA = fileURLToPath(new URL('../../testdata', import.meta.url));
const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.txt'))
    .sort();
}

describe('the script', () => {
  for (const name of filesBelow(TESTDATA)) {
    it(`${name} prints what it expects`, () => {
      const file = join(TESTDATA, name);
      const text = readFileSync(file, 'utf8');
      const result = runScript(name, text);
      for (const { directive, actual } of result.outcomes) {
        assert.equal(actual, directive.expected, `${name}:${directive.place.line}: ${directive.command}`);
      }
      assert.equal(rewritten(result), text, 'rewriting changes nothing but what is expected');
    });
  }
});

const CAMPAIGN = `# One member wins by itself.
add-nodes 1 voters=(1) index=5
----
INFO 1 switched to configuration voters=(1)
INFO 1 became follower at term 0
INFO newRaft 1 [peers: [1], term: 0, commit: 5, applied: 5, lastindex: 5, lastterm: 1]

campaign 1
----
INFO 1 is starting a new election at term 0
INFO 1 became candidate at term 1

raft-state
----
1: StateCandidate (Voter) Term:1 Lead:0
`;

describe('a comparison', () => {
  it('finds nothing in what is as expected', () => assert.equal(runScript('a.txt', CAMPAIGN).agreement, 'same'));

  it('tells another wording of the log from another state', () => {
    const otherWords = CAMPAIGN.replace('is starting a new election', 'has had enough of waiting');
    const result = runScript('a.txt', otherWords);
    assert.equal(result.agreement, 'wording');
    assert.deepEqual(
      result.outcomes.map(({ agreement }) => agreement),
      ['same', 'wording', 'same'],
    );
    const lessWords = CAMPAIGN.replace('INFO 1 is starting a new election at term 0\n', '');
    assert.equal(runScript('a.txt', lessWords).agreement, 'wording');
    const otherState = otherWords.replace('Term:1 Lead:0', 'Term:1 Lead:1');
    assert.equal(runScript('a.txt', otherState).agreement, 'different');
  });

  it('puts what was printed in the place of what was expected, and keeps everything else', () => {
    const wrong = CAMPAIGN.replace('StateCandidate', 'StateLeader').replace('became follower', 'fell asleep');
    assert.equal(rewritten(runScript('a.txt', wrong)), CAMPAIGN);
  });
});

describe('a script that cannot be run', () => {
  const broken: [what: string, text: string, problem: RegExp][] = [
    ['an unknown command', 'add-nodes 1\n----\nok\n\nfly 1\n----\nok\n', /^a\.txt:5: unknown command "fly"$/],
    ['no separator', '# nothing\n\ncampaign 1\n', /^a\.txt:3: "campaign" is not followed by ----$/],
    ['a node that does not exist', 'campaign 7\n----\n', /^a\.txt:1: campaign: there is no node 7$/],
    [
      'a number that is none',
      'add-nodes many\n----\n',
      /^a\.txt:1: add-nodes: number of nodes "many" is not a number$/,
    ],
    [
      'an option that does not exist',
      'add-nodes 1 colour=red\n----\n',
      /^a\.txt:1: add-nodes: unknown argument "colour"$/,
    ],
    ['an argument that is none', 'add-nodes 1 voters=(1\n----\n', /^a\.txt:1: cannot read "voters=\(1"$/],
    ['no command at all', '# nothing\n', /^a\.txt:1: there is no command in this file$/],
    ['an argument missing', 'vote cfg=(1) votes=(maybe)\n----\n', /^a\.txt:1: vote: unknown vote: maybe$/],
    ['output that is not closed', 'campaign 1\n----\n----\nok\n', /^a\.txt:3: the output is not closed/],
  ];
  for (const [what, text, problem] of broken) {
    it(`because of ${what} is refused with file and line`, () => {
      assert.throws(() => runScript('a.txt', text), { name: 'ScriptError', message: problem });
    });
  }
});

describe('the command', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'raft-scripts-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const run = (text: string, ...options: string[]): { status: number | null; stdout: string; text: string } => {
    const file = join(directory, 'a.txt');
    writeFileSync(file, text);
    const { status, stdout } = spawnSync(process.execPath, [MAIN, directory, ...options], { encoding: 'utf8' });
    return { status, stdout, text: readFileSync(file, 'utf8') };
  };

  it('ends with 0, 1, 2 or 3: as expected, another state, unreadable, another wording', () => {
    assert.equal(run(CAMPAIGN).status, 0);
    assert.equal(run(CAMPAIGN.replace('Lead:0', 'Lead:9')).status, 1);
    assert.equal(run('fly\n----\n').status, 2);
    const words = run(CAMPAIGN.replace('a new election', 'another election'));
    assert.equal(words.status, 3);
    assert.match(words.stdout, /a\.txt:8: campaign: the wording differs/);
  });

  it('rewrites what is expected when asked to', () => {
    const result = run(CAMPAIGN.replace('Lead:0', 'Lead:9'), '--rewrite');
    assert.deepEqual([result.status, result.text], [0, CAMPAIGN]);
  });
});
