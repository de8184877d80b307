/** Networks of containers that do not run. */
import assert from 'node:assert/strict';
import { Network, NetworkAttachment, NetworkSpec } from '@swarmts/proto';
import type { ContainerConfig } from './container-config.js';
import { containerConfig } from './engine-bed.js';
import { wishedNetworks } from './joined-networks.js';

describe('the networks that a container will be on', () => {
  const of = (config: Partial<ContainerConfig>) =>
    wishedNetworks(containerConfig('box', [], { networkMode: 'local', ...config })).map((n) => [
      n.name,
      n.id.slice(0, 2),
    ]);
  const wish = (target: string) => ({ target, aliases: [], addresses: [] });

  it('are the node’s own one where it names none, and none where it has none of its own', () => {
    assert.deepEqual(of({}), [['bridge', 'b1']]);
    for (const config of [{ networks: [] }, { networkMode: 'host' }, { networkContainer: 'c2' }] as const)
      assert.deepEqual(of(config), []);
  });

  it('have the names that it was given', () => {
    const network = Network.create({
      id: 'n1',
      spec: NetworkSpec.create({ annotations: { name: 'wide', labels: {} } }),
    });
    const given = { endpointId: 't1', attachment: NetworkAttachment.create({ network }) };
    const networks = [wish('back'), wish('bridge'), { ...wish('n1'), given }];
    assert.deepEqual(of({ networks }), [
      ['back', ''],
      ['bridge', 'b1'],
      ['wide', 'n1'],
    ]);
    const [first] = wishedNetworks(containerConfig('box', [], { networkMode: 'local', networks }));
    assert.deepEqual([first?.endpointId, first?.address], ['', '']);
  });
});
