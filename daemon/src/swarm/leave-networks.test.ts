import assert from 'node:assert/strict';
import type { ContainerInfo } from '@swarmts/worker';
import { leaveSwarmNetworks } from './leave-networks.js';

const network = (name: string, driver: string) => ({ id: `id-${name}`, name, driver });
const container = (id: string, state: string, ...networks: object[]) =>
  ({ id, state, networks }) as unknown as ContainerInfo;

describe('leaving a swarm', () => {
  it('takes containers that run off its networks alone, whatever becomes of one of them', async () => {
    const left: string[] = [];
    const warnings: string[] = [];
    const engine = {
      list: () => [
        container('a', 'running', network('broken', 'overlay'), network('over', 'overlay'), network('own', 'bridge')),
        container('b', 'exited', network('over', 'overlay')),
        container('c', 'paused', network('over', 'overlay')),
      ],
      disconnect: async (id: string, n: { readonly id: string; readonly name: string }) => {
        if (n.name === 'broken') throw new Error('no such device');
        left.push(`${id} ${n.id}`);
      },
    };
    const note = (m: string, f?: Readonly<Record<string, unknown>>) => warnings.push(`${m}: ${String(f?.error)}`);
    const networks = {
      leave: async () => {
        left.push('all');
        throw new Error('busy');
      },
    };
    await leaveSwarmNetworks({ engine, networks, log: { warn: note, error: note } });
    assert.deepEqual(left, ['a id-over', 'c id-over', 'all']);
    assert.deepEqual(warnings, [
      'a container stays on a network of the swarm that was left: no such device',
      'networks of the swarm were not taken down: Error: busy',
    ]);
  });
});
