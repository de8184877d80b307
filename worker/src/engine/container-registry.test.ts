/** Who uses images and volumes, and whose names are taken. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import type { Container } from './container.js';
import { ContainerRegistry } from './container-registry.js';
import { containerRecord } from './engine-bed.js';

describe('the containers of a node', () => {
  const containerOf = (id: string, name: string) => {
    const record = containerRecord(id, {});
    // Only what the registry asks for.
    return { record: { ...record, config: { ...record.config, name } }, isRunning: true } as unknown as Container;
  };

  it('use what they are going to have while they are being made', () => {
    const registry = new ContainerRegistry();
    const plan = registry.plan('c1');
    plan.images.push({ imageId: 'i1', chain: ['l1'] });
    plan.volumes.add('data');
    assert.deepEqual(registry.volumeUsers('data'), ['c1']);
    assert.deepEqual(registry.imageUsers(), [{ containerId: 'c1', running: false, imageId: 'i1', chain: ['l1'] }]);
    registry.forget('c1');
    assert.deepEqual([registry.volumeUsers('data'), registry.imageUsers()], [[], []]);
  });

  it('keep their names, and say who has the one that is asked for', async () => {
    const registry = new ContainerRegistry();
    for (const [id, name] of [
      ['c1', 'web'],
      ['c2', 'db'],
    ] as const) {
      registry.reserveName(name, id);
      registry.add(containerOf(id, name));
    }
    const taken = registry.rename(registry.get('web'), 'db', async () => undefined);
    await assert.rejects(
      taken,
      (e) =>
        isSwarmtsError(e, 'conflict') &&
        /^Error when allocating new name: Conflict\. The container name "\/db" is already in use by container "c2"/.test(
          e.message,
        ),
    );
    const failed = registry.rename(registry.get('web'), 'other', async () => {
      throw new Error('disk full');
    });
    await assert.rejects(failed, /disk full/);
    assert.deepEqual([registry.isNameTaken('other'), registry.isNameTaken('web')], [false, true]);
  });
});
