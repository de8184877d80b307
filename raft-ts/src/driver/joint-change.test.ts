// Several members changed at once, through the driver, on disks in memory.
import assert from 'node:assert/strict';
import { MemoryDisk } from '../sim/memory-disk.js';
import { type ConfChange, type ConfChangeV2, NO_DATA } from '../types.js';
import { MemoryNetwork } from './memory-network.js';
import type { StateMachine } from './options.js';
import { RaftNode } from './raft-node.js';

const nothing: StateMachine = { apply: () => undefined, snapshot: () => NO_DATA, restore: () => undefined };

describe('a joint change of the members', () => {
  const network = new MemoryNetwork();
  const nodes: RaftNode[] = [];
  const changes: string[] = [];

  const open = async (id: number, founders?: readonly number[]): Promise<RaftNode> => {
    const node = await RaftNode.open({
      id,
      dir: '/raft',
      disk: new MemoryDisk(),
      transport: network.transport(id),
      stateMachine: nothing,
      tickMs: 10,
      ...(founders === undefined ? {} : { bootstrapPeers: founders }),
      onFatal: (error) => assert.fail(error),
      onConfChange: (_state, { type, id: member }: ConfChange) => {
        if (id === 1) changes.push(`${type} ${member}`);
      },
    });
    network.connect(id, node);
    nodes.push(node);
    node.start();
    return node;
  };

  /** Turn by turn; the test's timeout is the bound. */
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };

  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
  });

  it('brings in and sends away several at once, and names each to the caller', async () => {
    const first = await open(1, [1]);
    await until(() => first.status().role === 'leader');
    for (const id of [2, 3]) await open(id);
    const grow: ConfChangeV2 = {
      transition: 'auto',
      steps: [
        { type: 'add-voter', id: 2 },
        { type: 'add-voter', id: 3 },
      ],
      context: NO_DATA,
    };
    await first.proposeConfChange(grow);
    await until(() => first.status().votersOutgoing === undefined);
    assert.deepEqual(first.status().voters, [1, 2, 3]);
    const leave: ConfChangeV2 = { transition: 'auto', steps: [], context: NO_DATA };
    await first.proposeConfChange({ ...grow, transition: 'explicit', steps: [{ type: 'add-learner', id: 3 }] });
    assert.deepEqual(first.status().learnersNext, [3]);
    await assert.rejects(first.proposeConfChange(grow), { code: 'invalid' });
    await first.proposeConfChange(leave);
    assert.deepEqual([first.status().voters, first.status().learners], [[1, 2], [3]]);
    assert.deepEqual(changes, ['add-voter 1', 'add-voter 2', 'add-voter 3', 'add-learner 3']);
  }).timeout(20_000);
});
