import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock } from '@swarmts/lib';
import { Cluster, featureLevels, VolumeSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { createVolume } from './volume-operations.js';

describe('a volume of the cluster', () => {
  const create = (driver: string, spec: Partial<VolumeSpec> = {}) =>
    localStore(() => new SimulatedClock().now()).update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', featureLevel: featureLevels.clusterVolumes }));
      const annotations = { name: 'data', labels: {} };
      createVolume(tx, VolumeSpec.create({ annotations, driver: { name: driver, options: {} }, ...spec }));
    });

  it('needs a driver that is a plugin', async () => {
    await assert.rejects(create(''), /driver must be specified/);
    await create('disk.csi');
    await assert.rejects(create('local'), /volume data: a volume of the cluster needs a CSI plugin as its driver/);
  });

  it('is no device while a manager does not know of such', async () => {
    const refused = (e: unknown) => isSwarmtsError(e, 'failed-precondition') && /volumes of type block/.test(e.message);
    await assert.rejects(create('disk.csi', { block: true }), refused);
  });
});
