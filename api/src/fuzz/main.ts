/** `npm run fuzz -- [--seed N] [--seeds N] [--requests N]`: fuzzes the API, and prints what was wrong with the seed of it. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '20' },
    requests: { type: 'string', default: '5000' },
  },
});
let failed = 0;
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
  const { problems, statuses } = await fuzz(seed, Number(values.requests));
  const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status}: ${n}`);
  process.stdout.write(`seed ${seed}: ${counts.join(', ')}\n`);
  for (const p of problems) process.stdout.write(`  ${p}\n`);
  if (problems.length > 0) failed++;
}
process.stdout.write(`${values.seeds} seeds, ${failed} with problems\n`);
process.exitCode = failed === 0 ? 0 : 1;
