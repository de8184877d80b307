import assert from 'node:assert/strict';
import { SimulatedClock } from '@swarmts/lib';
import { Cluster, featureLevels, VolumeSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { createVolume } from './volume-operations.js';

describe('a volume of the cluster', () => {
  const create = (driver: string) =>
    localStore(() => new SimulatedClock().now()).update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', featureLevel: featureLevels.clusterVolumes }));
      const annotations = { name: 'data', labels: {} };
      createVolume(tx, VolumeSpec.create({ annotations, driver: { name: driver, options: {} } }));
    });

  it('needs a driver that is a plugin', async () => {
    await assert.rejects(create(''), /driver must be specified/);
    await assert.rejects(create('local'), /volume data: a volume of the cluster needs a CSI plugin as its driver/);
  });
});
