import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { ContainerSpec, Network, NetworkAttachmentConfig, NetworkSpec, ServiceSpec, TaskSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { createService, updateService } from './service-operations.js';
import { referring } from './service-references.js';

describe('the references of a service', () => {
  const target = (name: string) => NetworkAttachmentConfig.create({ target: name, aliases: ['db'] });
  const specWith = (...networks: string[]) =>
    ServiceSpec.create({
      annotations: { name: 'web', labels: {} },
      task: TaskSpec.create({ container: ContainerSpec.create({ image: 'nginx' }), networks: networks.map(target) }),
      networks: networks.map(target),
    });
  const targets = (spec: ServiceSpec | undefined) =>
    [spec?.task?.networks, spec?.networks].map((l) => l?.map((n) => n.target));

  async function storeWithNetwork() {
    const store = localStore(() => 0);
    const spec = NetworkSpec.create({ annotations: { name: 'back', labels: {} } });
    await store.update((tx) => tx.create('network', Network.create({ id: 'net1', spec })));
    return store;
  }

  it('to networks are kept by id, whatever they were named by', async () => {
    const store = await storeWithNetwork();
    const id = await store.update((tx) => createService(tx, specWith('back', 'host'), 0));
    const service = store.get('service', id);
    assert.deepEqual(targets(service?.spec), [
      ['net1', 'host'],
      ['net1', 'host'],
    ]);
    assert.deepEqual(service?.spec?.task?.networks[0]?.aliases, ['db']);
    const version = service?.meta?.version?.index ?? 0;
    await store.update((tx) =>
      updateService(tx, { ref: id, version, spec: specWith('back'), rollback: false, nowMs: 0 }),
    );
    assert.deepEqual(targets(store.get('service', id)?.spec), [['net1'], ['net1']]);
  });

  it('to what is not there are refused by name', async () => {
    const store = await storeWithNetwork();
    assert.throws(
      () => store.view((tx) => referring(tx, specWith('nowhere'))),
      (e) => isSwarmtsError(e, 'not-found') && /nowhere/.test(e.message),
    );
  });
});
