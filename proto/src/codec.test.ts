import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import {
  fromJson,
  NodeRole,
  PortConfig,
  RaftMember,
  ServiceSpec,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
  toJson,
} from './index.js';

describe('generated codecs', () => {
  it('give back what was encoded', () => {
    const task = Task.create({
      id: 't1',
      slot: 3,
      desiredState: TaskState.RUNNING,
      status: TaskStatus.create({ state: TaskState.FAILED, timestampMs: 1_700_000_000_123, err: 'exit 1' }),
    });
    assert.deepEqual(Task.decode(Task.encode(task)), task);
  });

  it('keep 53-bit integers exact', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (n) => {
        assert.equal(RaftMember.decode(RaftMember.encode(RaftMember.create({ raftId: n }))).raftId, n);
      }),
    );
  });

  it('keep maps whatever their keys are called', () => {
    const labels = JSON.parse('{"a":"1","__proto__":"2","":"3"}') as Record<string, string>;
    const spec = ServiceSpec.create({ annotations: { name: 'web', labels } });
    assert.deepEqual(
      Object.entries(ServiceSpec.decode(ServiceSpec.encode(spec)).annotations?.labels ?? {}).sort(),
      Object.entries(labels).sort(),
    );
  });

  it('write back fields that they do not know', () => {
    // PortConfig has fields that RaftMember (1: varint, 2: string, 3: string) does not know.
    const newer = PortConfig.encode(PortConfig.create({ publishedPort: 8080, hostIp: '127.0.0.1' }));
    const older = RaftMember.decode(newer);
    assert.deepEqual(PortConfig.decode(RaftMember.encode(older)), PortConfig.decode(newer));
  });

  it('refuse garbage with a typed error', () => {
    assert.throws(
      () => TaskSpec.decode(Uint8Array.of(0x0a, 0xff, 0x01)),
      (e) => isSwarmtsError(e, 'corrupt'),
    );
  });

  it('never throw anything else on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          Task.decode(bytes);
        } catch (e) {
          assert.ok(isSwarmtsError(e, 'corrupt'));
        }
      }),
    );
  });
});

describe('JSON of messages', () => {
  it('keeps bytes', () => {
    const v = { role: NodeRole.MANAGER, data: Uint8Array.of(1, 2, 255) };
    assert.deepEqual(fromJson(toJson(v)), v);
    assert.deepEqual(fromJson(toJson({ data: Buffer.from([7]) })), { data: Uint8Array.of(7) });
  });
});
