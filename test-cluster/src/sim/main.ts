/**
 * `npm run sim -- [--seeds N] [--from N] [--seed N] [--bug NAME]`: simulates clusters, and prints the seed of each that went wrong. With a
 * planted bug the first is enough.
 */
import { parseArgs } from 'node:util';
import { simulate } from './cluster-sim.js';
import { bugs } from './sabotage.js';
import { seedIds } from './seeded-ids.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    bug: { type: 'string' },
  },
});
const bug = values.bug === undefined ? undefined : bugs[values.bug];
if (values.bug !== undefined && !bug)
  throw new Error(`unknown bug "${values.bug}", known are: ${Object.keys(bugs).join(', ')}`);
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
let done = 0;
let failed = 0;
let leaders = 0;
let tasks = 0;
const begin = performance.now();
for (let seed = first; seed < first + count; seed++) {
  seedIds(seed);
  const r = await simulate({ seed, ...(bug ? { bug } : {}) });
  done++;
  leaders += r.leaders;
  tasks += r.tasksStarted;
  if (r.violations.length === 0) continue;
  failed++;
  process.stdout.write(`seed ${seed}: ${r.violations.slice(0, 5).join('; ')}\n`);
  if (bug) break;
}
const seconds = ((performance.now() - begin) / 1000).toFixed(0);
process.stdout.write(`${done} seeds, ${failed} failed, ${leaders} leaders, ${tasks} tasks started, ${seconds} s\n`);
process.exitCode = failed === 0 ? 0 : 1;
