import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Cluster, Driver, MTU_OPTION, NetworkSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { createNetwork } from './network-operations.js';

describe('making a network', () => {
  const store = localStore(() => 0);
  before(() => store.update((tx) => tx.create('cluster', Cluster.create({ id: 'c' }))));

  const make = (spec: Partial<NetworkSpec>) =>
    store.update((tx) => createNetwork(tx, NetworkSpec.create({ annotations: { name: 'back', labels: {} }, ...spec })));

  it('is refused with what is wrong, and leaves nothing', async () => {
    for (const [spec, why] of [
      [{ driver: Driver.create({ options: { [MTU_OPTION]: 'huge' } }) }, /invalid com\.docker.*mtu "huge": a number/],
      [{ annotations: { name: 'no name', labels: {} } }, /name must be valid/],
      [{ ingress: true, attachable: true }, /leave out --attachable/],
      [{ ingress: true, internal: true }, /an ingress network cannot be internal/],
    ] as const) {
      await assert.rejects(make(spec), (e) => isSwarmtsError(e, 'invalid-argument') && why.test(e.message));
    }
    await assert.rejects(make({ driver: Driver.create({ name: 'ipvlan' }) }), (e) => isSwarmtsError(e, 'unsupported'));
    assert.equal(store.count('network'), 0);
    await make({});
    await assert.rejects(make({}), (e) => isSwarmtsError(e, 'already-exists'));
  });
});
