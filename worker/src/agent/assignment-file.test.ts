import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSwarmtsError, SimulatedClock, systemClock } from '@swarmts/lib';
import { ContainerSpec, Task, TaskSpec } from '@swarmts/proto';
import { AssignmentFile } from './assignment-file.js';

describe('the file of assignments', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-assignments-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const fail = (e: unknown) => assert.fail(String(e));
  const task = (id: string) => [Task.create({ id })];
  const written = async () => (await new AssignmentFile(dir, systemClock).load()).tasks.map((t) => t.id);
  const eventually = async (id: string) => {
    while ((await written())[0] !== id) await delay(2);
  };

  it('is written at once, and then only after a pause, with the newest', async () => {
    const clock = new SimulatedClock();
    const file = new AssignmentFile(dir, clock);
    file.save(task('one'), [], fail);
    await eventually('one');
    file.save(task('two'), [], fail);
    file.save(task('three'), [], fail);
    await delay(20);
    assert.deepEqual(await written(), ['one']);
    await clock.advance(100);
    await eventually('three');
  });

  it('waits for nothing when somebody needs it on the disk', async () => {
    const file = new AssignmentFile(dir, new SimulatedClock());
    for (const id of ['one', 'two', 'three']) {
      file.save(task(id), [], fail);
      await file.flushed();
      assert.deepEqual(await written(), [id]);
    }
  });

  it('keeps no credentials of registries, and says what to do when it is damaged', async () => {
    const file = new AssignmentFile(dir, systemClock);
    const container = ContainerSpec.create({ image: 'a', registryAuth: 'secret' });
    file.save([Task.create({ id: 'one', spec: TaskSpec.create({ container }) })], [], fail);
    await file.flushed();
    assert.equal((await file.load()).tasks[0]?.spec?.container?.registryAuth, '');
    writeFileSync(join(dir, 'assignments.bin'), '\xff\xff');
    await assert.rejects(file.load(), (e) => isSwarmtsError(e, 'corrupt') && /remove it/.test(e.message));
  });
});
