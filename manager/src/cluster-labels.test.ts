import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Annotations, ClusterSpec, clusterLabels } from '@swarmts/proto';
import { keyPeriod, orphanPeriod, periodMs } from './cluster-labels.js';

const HOUR_MS = 3_600_000;
const specWith = (label: string, period: string) =>
  ClusterSpec.create({ annotations: Annotations.create({ labels: { [label]: period } }) });

describe('periods in the labels of the cluster', () => {
  it('have defaults', () => {
    assert.equal(periodMs(undefined, keyPeriod), 12 * HOUR_MS);
    assert.equal(periodMs(undefined, orphanPeriod), HOUR_MS);
  });

  it('are what the label says', () => {
    assert.equal(periodMs(specWith(clusterLabels.keyPeriod, '90m'), keyPeriod), 1.5 * HOUR_MS);
    assert.equal(periodMs(specWith(clusterLabels.orphanAfter, '24h'), orphanPeriod), 24 * HOUR_MS);
  });

  it('are refused when they cannot be read, or are too short', () => {
    for (const bad of ['soon', '1s', '-12h', '0']) {
      assert.throws(
        () => periodMs(specWith(clusterLabels.keyPeriod, bad), keyPeriod),
        (e) => isSwarmtsError(e, 'invalid-argument') && e.message.includes(`${clusterLabels.keyPeriod}=${bad}`),
        bad,
      );
    }
  });
});
