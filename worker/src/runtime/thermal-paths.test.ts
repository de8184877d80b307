import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { thermalPathsIn } from './thermal-paths.js';

describe('counters of hot processors', () => {
  it('are found where a processor has them', () => {
    const cpus = mkdtempSync(join(tmpdir(), 'swarmts-cpus-'));
    try {
      for (const path of ['cpu0/thermal_throttle', 'cpu1', 'cpu10/thermal_throttle', 'cpufreq/thermal_throttle'])
        mkdirSync(join(cpus, path), { recursive: true });
      assert.deepEqual(thermalPathsIn(cpus).toSorted(), [
        join(cpus, 'cpu0/thermal_throttle'),
        join(cpus, 'cpu10/thermal_throttle'),
      ]);
      assert.deepEqual(thermalPathsIn(join(cpus, 'nosuch')), []);
    } finally {
      rmSync(cpus, { recursive: true });
    }
  });
});
