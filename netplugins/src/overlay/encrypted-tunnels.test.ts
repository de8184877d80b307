import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Driver, NetworkAttachment, NetworkSpec } from '@swarmts/proto';
import { RoutedNetworks } from './routed-networks.js';
import type { RouterExecutor } from './router-spec.js';
import { testNetwork } from './testing.js';

const encrypted = testNetwork(
  NetworkSpec.create({
    annotations: { name: 'back', labels: {} },
    driver: Driver.create({ name: 'overlay', options: { encrypted: '' } }),
  }),
);

describe('a node that cannot encrypt', () => {
  it('refuses containers of encrypted networks, says what to install, and makes nothing', async () => {
    const asked: string[] = [];
    const executor = new Proxy({} as RouterExecutor, {
      get: (_, method) => async () => {
        asked.push(String(method));
        return method === 'encryption' ? '' : method === 'ensureRouter' ? { missingLegs: [], madeVxlan: false } : '';
      },
    });
    const networks = new RoutedNetworks({ executor, dir: '/run/r' });
    networks.setNode('a');
    const attached = networks.attach({
      containerId: 'c1',
      containerNetns: '/run/c1',
      endpointId: 't1',
      attachment: NetworkAttachment.create({ network: encrypted, addresses: ['10.1.0.5/24'] }),
      iface: 'eth0',
    });
    await assert.rejects(
      attached,
      (e) => isSwarmtsError(e, 'failed-precondition') && /network back is encrypted.*wireguard-go/.test(e.message),
    );
    assert.deepEqual(asked, ['encryption']);
  });
});
