/** A container may leave trees that are deeper than any path may be long. Needs root, an OCI runtime and conmon. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxLayer, containerConfig, EngineBed, runToEnd, TestRegistry } from './engine-bed.js';

/** Some 8000 bytes below where it starts; it grows at the top, because no shell goes down that far. */
const DIG = 'n=$(printf "d%0200d" 1); mkdir t; for i in $(seq 40); do mkdir x && mv t x/$n && mv x t || exit 1; done';

describe('trees of any depth', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  before(async () => {
    [bed, registry] = [await EngineBed.start(), await TestRegistry.start()];
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Cmd: ['sh'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  it('go with the container and the volume that have them', async () => {
    await bed.engine.volumes.create({ name: 'deep' });
    const mounts = [{ type: 'volume', source: 'deep', target: '/data', readOnly: false } as const];
    const line = `cd /tmp && (${DIG}) && cd /data && (${DIG})`;
    const { id, code } = await runToEnd(bed.engine, { ...containerConfig(image, ['sh', '-c', line]), mounts });
    assert.equal(code, 0);
    await bed.engine.remove(id, { force: true, volumes: false });
    await bed.engine.volumes.remove('deep', false);
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'containers')), []);
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'volumes')), []);
  });

  it('do not keep the engine from being opened, when a removal was cut short', async () => {
    await bed.engine.close();
    const left = [join(bed.dataRoot, 'containers', 'removing-x'), join(bed.dataRoot, 'build', 'half')];
    for (const dir of left) {
      mkdirSync(dir);
      execFileSync('sh', ['-c', `cd ${dir} && ${DIG}`]);
    }
    await bed.open();
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'containers')), []);
    assert.deepEqual(readdirSync(join(bed.dataRoot, 'build')), []);
  });
});
