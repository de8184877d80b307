/** What events say of the networks and volumes of containers, in Docker's words. */
import assert from 'node:assert/strict';
import { builtinNetworks } from '@swarmts/proto';
import { containerConfig, containerRecord } from './engine-bed.js';
import { onBridge } from './joined-networks.js';
import { mounted, networkChanges, unmounted } from './use-events.js';

const ATTACHED = { address: '172.30.0.2', prefixLength: 16, gateway: '172.30.0.1', mac: '', ports: [] };
const back = { ...onBridge('c1', ATTACHED), id: 'n1', name: 'back', driver: 'macvlan' };

describe('events of what a container uses', () => {
  const record = containerRecord('c1', { network: ATTACHED });
  const texts = (events: ReturnType<typeof networkChanges>) =>
    events.map((e) => `${e.type} ${e.action} ${e.attributes.name} ${e.attributes.type} ${e.attributes.container}`);

  it('tell that a container is on the node’s own network where it names none', () => {
    assert.deepEqual(networkChanges(undefined, record), [
      {
        type: 'network',
        action: 'connect',
        id: builtinNetworks.bridge.id,
        attributes: { container: 'c1', name: 'bridge', type: 'bridge' },
      },
    ]);
    assert.deepEqual(texts(networkChanges(record, undefined)), ['network disconnect bridge bridge c1']);
  });

  it('tell what it joins and leaves while it runs', () => {
    const both = { ...record, network: { ...ATTACHED, networks: [onBridge('c1', ATTACHED), back] } };
    const moved = { ...record, network: { ...ATTACHED, networks: [back] } };
    assert.deepEqual(texts(networkChanges(record, both)), ['network connect back macvlan c1']);
    assert.deepEqual(texts(networkChanges(both, moved)), ['network disconnect bridge bridge c1']);
    assert.deepEqual(networkChanges(both, both), []);
  });

  it('tell of the host’s network and of none, and nothing of a network that is another container’s', () => {
    const of = (config: object) =>
      texts(networkChanges(undefined, containerRecord('c1', { config: containerConfig('box', [], config) })));
    assert.deepEqual(of({ networkMode: 'host' }), ['network connect host host c1']);
    assert.deepEqual(of({ networkMode: 'none' }), ['network connect none null c1']);
    assert.deepEqual(of({ networkMode: 'local', networkContainer: 'c2' }), []);
  });

  it('take networks that an earlier release has written down for the swarm’s', () => {
    const { driver: _driver, ...old } = back;
    const network = { ...ATTACHED, networks: [old] };
    assert.deepEqual(texts(networkChanges({ ...record, network }, undefined)), ['network disconnect back overlay c1']);
  });

  it('tell which volumes are mounted where, and nothing of other mounts', () => {
    const mount = { target: '/d', readOnly: true, anonymous: false };
    const mounts = [
      { ...mount, type: 'volume' as const, source: 'data' },
      { ...mount, type: 'bind' as const, source: '/etc' },
      { ...mount, type: 'tmpfs' as const, source: '' },
    ];
    const [volume] = mounted({ ...record, mounts });
    assert.deepEqual(volume, {
      type: 'volume',
      action: 'mount',
      id: 'data',
      attributes: { container: 'c1', destination: '/d', driver: 'local', propagation: '', 'read/write': 'false' },
    });
    assert.deepEqual(unmounted({ ...record, mounts }), [
      { type: 'volume', action: 'unmount', id: 'data', attributes: { container: 'c1', driver: 'local' } },
    ]);
  });
});
