import assert from 'node:assert/strict';
import { Annotations, ContainerSpec, Node, NodeDescription, Service, ServiceSpec, TaskSpec } from '@swarmts/proto';
import { fromWire, toWire } from './operation-wire.js';
import { operationNames } from './operations.js';

const spec = ServiceSpec.create({
  annotations: Annotations.create({ name: 'web', labels: { a: 'b' } }),
  task: TaskSpec.create({ container: ContainerSpec.create({ image: 'app', env: ['A=1'] }) }),
});

/** A field that no release knows: number 900, a string. */
const FUTURE = new Uint8Array([0xa2, 0x38, 2, 0x68, 0x69]);

describe('operations between managers', () => {
  it('arrive as they were sent', () => {
    const args = { ref: 'web', version: 7, spec, rollback: false };
    assert.deepEqual(fromWire('updateService', 'args', toWire('updateService', 'args', args)), args);
    const result = [
      { service: Service.create({ id: 's', spec }), runningTasks: 1, desiredTasks: 2, completedTasks: 0 },
    ];
    assert.deepEqual(fromWire('listServices', 'result', toWire('listServices', 'result', result)), result);
  });

  it('have defaults for what the sender does not know', () => {
    // As an earlier release sends it: without a field for CSI.
    const { csi: _, ...description } = NodeDescription.create({ hostname: 'old' });
    const older = { encode: () => Node.encode(Node.create({ id: 'n', description: { ...description, csi: [] } })) };
    const bytes = Buffer.from(older.encode()).toString('base64');
    const [node] = fromWire('listNodes', 'result', Buffer.from(JSON.stringify([{ $bytes: bytes }]))) as [Node];
    assert.deepEqual(node.description?.csi, []);
  });

  it('keep what the receiver does not know', () => {
    const newer = Buffer.concat([ServiceSpec.encode(spec), FUTURE]);
    const sent = Buffer.from(JSON.stringify({ spec: { $bytes: newer.toString('base64') } }));
    const { spec: received } = fromWire('createService', 'args', sent) as { spec: ServiceSpec };
    assert.deepEqual(Buffer.from(ServiceSpec.encode(received)), newer);
  });

  it('may have no result, and no arguments that are messages', () => {
    assert.equal(toWire('removeService', 'result', undefined).length, 0);
    assert.equal(fromWire('removeService', 'result', new Uint8Array(0)), undefined);
    assert.deepEqual(fromWire('getTask', 'args', toWire('getTask', 'args', { ref: 't' })), { ref: 't' });
  });

  it('are all described', () => {
    for (const name of operationNames) assert.doesNotThrow(() => toWire(name, 'args', {}), name);
  });
});
