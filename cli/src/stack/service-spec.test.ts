import assert from 'node:assert/strict';
import type { ComposeService } from '../compose/model.js';
import { type ConvertContext, serviceSpec } from './service-spec.js';

const context: ConvertContext = {
  stack: 'shop',
  project: {
    services: {},
    networks: { back: {}, out: { external: true, name: 'outside' } },
    volumes: {},
    secrets: {},
    configs: {},
  },
  env: {},
};
const networksOf = (s: Partial<ComposeService>) =>
  serviceSpec('web', { image: 'app', ...s }, context).TaskTemplate?.Networks;

describe('services of a stack', () => {
  it('are on the networks that they name, by their own name and aliases', () => {
    assert.deepEqual(networksOf({ networks: { back: { aliases: ['w'] }, out: null } }), [
      { Target: 'shop_back', Aliases: ['web', 'w'] },
      { Target: 'outside', Aliases: ['web'] },
    ]);
  });

  it('are on the network of the stack where they name none', () => {
    assert.deepEqual(networksOf({}), [{ Target: 'shop_default', Aliases: ['web'] }]);
  });

  it('have fixed addresses of both families', () => {
    const back = { ipv4_address: '10.9.0.9', ipv6_address: 'fd00::9' };
    assert.deepEqual(networksOf({ networks: { back } }), [
      { Target: 'shop_back', Aliases: ['web'], Addresses: ['10.9.0.9', 'fd00::9'] },
    ]);
  });

  it('keep what Docker has no field for in labels', () => {
    const labelsOf = (s: Partial<ComposeService>) => serviceSpec('web', { image: 'app', ...s }, context).Labels ?? {};
    const asked = labelsOf({ privileged: true, userns_mode: 'host', shm_size: '1m', security_opt: ['label:disable'] });
    const kept = Object.entries(asked).filter(([name]) => name.startsWith('swarmts.'));
    assert.deepEqual(Object.fromEntries(kept), {
      'swarmts.privileged': 'true',
      'swarmts.userns': 'host',
      'swarmts.shm-size': '1m',
      'swarmts.security-opt': 'label=disable',
    });
    assert.equal(
      Object.keys(labelsOf({ userns_mode: '' })).some((name) => name.startsWith('swarmts.')),
      false,
    );
  });

  it('say what becomes of mounts below their bind mounts', () => {
    const optionsOf = (more: object) => {
      const volumes = [{ type: 'bind', source: '/srv', target: '/data', ...more }];
      return serviceSpec('web', { image: 'app', volumes }, context).TaskTemplate?.ContainerSpec?.Mounts?.[0]
        ?.BindOptions;
    };
    assert.equal(optionsOf({ bind: { recursive: 'enabled' } }), undefined);
    assert.deepEqual(optionsOf({ bind: { recursive: 'disabled' } }), { NonRecursive: true });
    assert.deepEqual(optionsOf({ read_only: true, bind: { recursive: 'writable' } }), { ReadOnlyNonRecursive: true });
    const propagation = 'rprivate';
    assert.deepEqual(optionsOf({ read_only: true, bind: { recursive: 'readonly', propagation } }), {
      Propagation: propagation,
      ReadOnlyForceRecursive: true,
    });
    const refused = (more: object, message: RegExp) => assert.throws(() => optionsOf(more), message);
    refused(
      { bind: { recursive: 'readonly' } },
      /mount at \/data: option 'bind.recursive: readonly' requires 'read_only: true' to be specified in conjunction/,
    );
    refused({ read_only: true, bind: { recursive: 'readonly' } }, /requires 'bind.propagation: rprivate'/);
    refused(
      { bind: { recursive: 'sometimes' } },
      /mount at \/data: invalid value for bind.recursive: sometimes \(must be/,
    );
  });

  it('refuse network modes that no cluster has', () => {
    assert.deepEqual(networksOf({ network_mode: 'host' }), [{ Target: 'host' }]);
    assert.throws(
      () => networksOf({ network_mode: 'service:db' }),
      /network_mode service:db is not possible in a cluster/,
    );
  });
});
