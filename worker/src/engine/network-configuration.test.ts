import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Driver, IpamConfig, IpamOptions, Network, NetworkSpec } from '@swarmts/proto';
import { configured } from './network-configuration.js';

const named = (name: string, more: Partial<NetworkSpec> = {}) =>
  NetworkSpec.create({ annotations: { name, labels: {} }, ...more });
const source = named('cfg', {
  configOnly: true,
  annotations: { name: 'cfg', labels: { zone: 'a' } },
  ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '192.0.2.0/24' })] }),
  driver: Driver.create({ name: 'null', options: { parent: 'eth0' } }),
});
const find = (ref: string) =>
  [source, named('plain')]
    .map((spec) => Network.create({ id: ref, spec }))
    .find((n) => n.spec?.annotations?.name === ref);

describe('a network that takes its configuration from another one', () => {
  it('has its subnets, labels and options, and a name and driver of its own', () => {
    const spec = configured(named('net', { configFrom: 'cfg', driver: Driver.create({ name: 'macvlan' }) }), find);
    assert.equal(spec.ipam?.configs[0]?.subnet, '192.0.2.0/24');
    assert.deepEqual(spec.annotations, { name: 'net', labels: { zone: 'a' } });
    assert.deepEqual(spec.driver, { name: 'macvlan', options: { parent: 'eth0' } });
  });

  it('is refused with a configuration of its own, or without that other one', () => {
    for (const [spec, words] of [
      [named('net', { configFrom: 'cfg', ipv6Enabled: true }), /user specified configurations are not supported/],
      [named('net', { configFrom: 'cfg', driver: Driver.create({ options: { a: 'b' } }) }), /user specified/],
      [named('net', { configFrom: 'nobody' }), /configuration network "nobody" does not exist/],
      [named('net', { configFrom: 'plain' }), /"plain" is not a configuration network/],
      [named('net', { configFrom: 'cfg', configOnly: true }), /cannot depend on another configuration network/],
      [named('net', { configOnly: true, internal: true }), /network specific fields/],
    ] as const) {
      assert.throws(
        () => configured(spec, find),
        (e) => (isSwarmtsError(e, 'permission-denied') || isSwarmtsError(e, 'not-found')) && words.test(e.message),
        String(words),
      );
    }
  });
});
