/** All docker commands that are recorded, and whether what is known to differ still does. */
import assert from 'node:assert/strict';
import { allSteps } from '../golden/cli-steps.js';
import { compareClient } from '../golden/compare-client.js';
import { knownDifferences } from '../golden/differences.js';
import { clients } from '../golden/run-steps.js';
import { newLab } from './testing.js';

describe('the docker commands', () => {
  const differed = new Set<string>();
  for (const { name, program } of clients) {
    it(`of version ${name} print what they print for dockerd`, async () => {
      const lab = await newLab({ join: false });
      try {
        for (const step of compareClient(allSteps, program, lab.socket('m1'))) differed.add(step);
      } finally {
        await lab.down();
      }
    });
  }

  it('print something else only where that is known, and only as long as they do', () => {
    const gone = Object.keys(knownDifferences).filter((step) => !differed.has(step));
    assert.deepEqual(gone, [], 'these do not differ any more: take them out of differences.ts');
  });
});
