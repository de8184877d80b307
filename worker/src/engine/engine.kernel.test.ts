/** The engine with real images, runc, conmon, overlayfs and cgroups. Needs root. */
import assert from 'node:assert/strict';
import { allLogs, busyboxLayer, collect, containerConfig, EngineBed, runToEnd, TestRegistry } from './engine-bed.js';

describe('the container engine', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    const { ref } = await registry.push('busybox', [{ tar: await busyboxLayer() }], {
      Cmd: ['sh'],
      Env: ['PATH=/bin', 'A=image'],
    });
    image = ref;
    await bed.engine.images.pull(image, {});
  });

  after(async () => {
    await bed.close();
    await registry.close();
  });

  it('runs a pulled image to its end and keeps output and exit code', async () => {
    const { id, code, output } = await runToEnd(
      bed.engine,
      containerConfig(image, ['sh', '-c', 'echo out; echo err >&2; exit 7']),
    );
    assert.equal(output, 'out\n');
    assert.equal(code, 7);
    const entries = await collect(bed.engine.logs(id, allLogs));
    assert.deepEqual(
      entries.map((e) => [e.stream, e.line.toString()]),
      [
        ['stdout', 'out\n'],
        ['stderr', 'err\n'],
      ],
    );
    const info = bed.engine.find(id);
    assert.equal(info?.state, 'exited');
    assert.deepEqual(info?.exit?.error, '');
  });
});
