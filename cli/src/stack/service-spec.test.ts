// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of compose files look like those of template strings.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  it('have variables and labels from files, with what the caller and earlier lines say filled in', () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-env-'));
    try {
      const file = (name: string, text: string) => {
        writeFileSync(join(dir, name), text);
        return join(dir, name);
      };
      const envFiles = [
        { path: file('a', "A=1\nB=${A}-${WHO}\nC='$A'\nWHO\n"), required: true },
        { path: file('raw', 'R="$A"\n'), required: true, format: 'raw' },
        { path: join(dir, 'none'), required: false },
      ];
      const s = {
        env_file: envFiles,
        environment: { A: '2' },
        label_file: [file('l', 'x=${WHO}\ny=1\n')],
        labels: { y: '2' },
      };
      const spec = serviceSpec('web', { image: 'app', ...s }, { ...context, env: { WHO: 'me' } });
      const { Env, Labels } = spec.TaskTemplate?.ContainerSpec ?? {};
      assert.deepEqual(Env, ['A=2', 'B=1-me', 'C=$A', 'R="$A"', 'WHO=me']);
      assert.deepEqual([Labels?.x, Labels?.y], ['me', '2']);
      const bad = { env_file: [{ path: file('bad', 'A=1\n=2\n'), required: false }] };
      assert.throws(
        () => serviceSpec('web', { image: 'app', ...bad }, context),
        /service web: env file \S+bad: line 2: a variable's name begins/,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
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
