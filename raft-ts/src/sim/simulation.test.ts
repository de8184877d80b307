// Seeded runs of the whole group. RAFT_RUNS sets how many, RAFT_SEED the first seed; a failure names its own.
import assert from 'node:assert/strict';
import { type SimulationOptions, simulate } from './simulation.js';

const RUNS = Number(process.env.RAFT_RUNS ?? 4);
const FIRST_SEED = Number(process.env.RAFT_SEED ?? 20_260_801);
const MS_PER_RUN = 30_000;

function optionsFor(seed: number): SimulationOptions {
  return { seed, members: seed % 2 === 0 ? 3 : 5, faultyMs: 15_000, changeMembers: seed % 4 >= 2 };
}

describe('a simulated group under faults', () => {
  let acknowledged = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed += 1) {
    it(`stays safe and comes back to life (RAFT_SEED=${seed})`, async () => {
      const report = await simulate(optionsFor(seed)).catch((cause: unknown) => {
        throw new Error(`simulation failed; repeat it with RAFT_SEED=${seed} RAFT_RUNS=1`, { cause });
      });
      acknowledged += report.acknowledged;
    }).timeout(MS_PER_RUN);
  }

  it('was under load', () => {
    // A single run may be without a quorum for most of its time: a few together are not.
    if (RUNS > 1) assert.ok(acknowledged > 50 * RUNS, `only ${acknowledged} writes were acknowledged in ${RUNS} runs`);
  });

  it('is repeated exactly by the same seed', async () => {
    const options = { ...optionsFor(FIRST_SEED), faultyMs: 3000 };
    assert.deepEqual(await simulate(options), await simulate(options));
  }).timeout(MS_PER_RUN);
});
