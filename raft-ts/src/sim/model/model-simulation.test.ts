// Hundreds of simulated groups, and the proof that the simulation would notice if Raft's rules were broken.
// RAFT_MODEL_SEEDS sets how many, RAFT_SEED the first.
import assert from 'node:assert/strict';
import { simulateModel } from './model-simulation.js';
import { type BugName, PLANTED_BUGS } from './planted-bugs.js';
import { settingsOfSeed } from './settings.js';

const SEEDS = Number(process.env.RAFT_MODEL_SEEDS ?? 240);
const FIRST_SEED = Number(process.env.RAFT_SEED ?? 1);
const SEEDS_PER_TEST = 20;

/** Seeds until each planted bug must have been found: several times what it takes on average. */
const BUG_SEEDS = 400;

/** What the simulation is meant to notice, and not a mistake of its own. */
function isFinding(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    ['SafetyViolation', 'LivenessFailure'].includes(error.name) || error.message.startsWith('raft invariant broken')
  );
}

function simulate(seed: number): ReturnType<typeof simulateModel> {
  try {
    return simulateModel(seed);
  } catch (cause) {
    const settings = JSON.stringify(settingsOfSeed(seed));
    throw new Error(`seed ${seed} failed (npm run raft-sim -- --seed ${seed}) with ${settings}: ${cause}`, { cause });
  }
}

describe('a simulated group of cores under faults', () => {
  for (let first = FIRST_SEED; first < FIRST_SEED + SEEDS; first += SEEDS_PER_TEST) {
    const last = Math.min(first + SEEDS_PER_TEST, FIRST_SEED + SEEDS) - 1;
    it(`stays safe, linearizable and alive (seeds ${first} to ${last})`, () => {
      let answered = 0;
      for (let seed = first; seed <= last; seed += 1) {
        const { writes, reads } = simulate(seed);
        answered += writes + reads;
      }
      assert.ok(answered > 20 * (last - first + 1), `only ${answered} operations were answered`);
    }).timeout(60_000);
  }

  it('meets every kind of fault', () => {
    const totals = new Map<string, number>();
    for (let seed = 1; seed <= 25; seed += 1) {
      for (const [name, count] of Object.entries(simulate(seed))) totals.set(name, (totals.get(name) ?? 0) + count);
    }
    for (const [name, total] of totals) assert.ok(total > 0, `no ${name} in 25 seeds`);
  }).timeout(60_000);

  it('is repeated exactly by the same seed', () => {
    for (const seed of [3, 4]) assert.deepEqual(simulate(seed), simulate(seed));
  });
});

describe('the simulation finds the planted bug', () => {
  for (const name of Object.keys(PLANTED_BUGS) as BugName[]) {
    it(`${name}: ${PLANTED_BUGS[name].summary}`, () => {
      for (let seed = 1; seed <= BUG_SEEDS; seed += 1) {
        try {
          simulateModel(seed, name);
        } catch (error) {
          assert.ok(isFinding(error), `seed ${seed} failed otherwise: ${error}`);
          return;
        }
      }
      assert.fail(`not found in ${BUG_SEEDS} seeds`);
    }).timeout(120_000);
  }
});
