import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bugs } from './sabotage.js';

const main = fileURLToPath(new URL('main.js', import.meta.url));

// In a process of its own, whose ids come from the seed.
function run(...args: string[]) {
  const r = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 200_000 });
  return { code: r.status, text: r.stdout + r.stderr };
}

const symptoms: Readonly<Record<string, RegExp>> = {
  'a created task is lost': /runs \d+ tasks, not|has \d+ completions, not/,
  'a task is not let go': /tasks, not|still runs|while its predecessor runs/,
  'nobody waits for a predecessor': /starts on n\d while its predecessor runs on n\d/,
  'one node gets everything': /CPUs are reserved on n1, which has fewer/,
  'an address is given twice': /both have \S+ 10\.0\.1\.77/,
  'a state goes back': /went back from \d+ to 320/,
};

describe('simulated clusters', () => {
  it('stay right through faults, and heal', () => {
    const r = run('--seeds', '100');
    assert.equal(r.code, 0, r.text);
    assert.match(r.text, /^100 seeds, 0 failed, \d{2,} leaders, \d{4,} tasks started/m);
  });

  it('are the same for the same seed', () => {
    const once = run('--seed', '7').text.replace(/, \d+ s$/m, '');
    assert.equal(run('--seed', '7').text.replace(/, \d+ s$/m, ''), once);
  });

  for (const name of Object.keys(bugs)) {
    it(`show it when ${name}`, () => {
      const r = run('--seeds', '40', '--bug', name);
      assert.equal(r.code, 1, r.text);
      assert.match(r.text, symptoms[name] ?? /^$/);
    });
  }

  it('name the bugs that can be planted', () => {
    const r = run('--seeds', '1', '--bug', 'gremlins');
    assert.match(r.text, /unknown bug "gremlins", known are: a created task is lost/);
  });
});
