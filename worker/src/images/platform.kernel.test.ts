/** Images of another platform than the machine's. Needs root. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { busyboxLayer, containerConfig, EngineBed, TestRegistry } from '../engine/engine-bed.js';
import { parsePlatform } from './manifest.js';

describe('an image of one platform', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  before(async () => {
    [bed, registry] = [await EngineBed.start(), await TestRegistry.start()];
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }])).ref;
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  const mismatch = () =>
    `image with reference ${image} was found but does not match the specified platform: ` +
    'wanted linux/arm64, actual: linux/amd64';

  it('is pulled with a warning when another was asked for, and without one when it fits', async () => {
    const said: string[] = [];
    const onProgress = ({ status }: { readonly status?: string }) => void said.push(status ?? '');
    await bed.engine.images.pull(image, { onProgress, platform: parsePlatform('linux/amd64') });
    assert.equal(
      said.some((s) => s.startsWith('WARNING')),
      false,
    );
    await bed.engine.images.pull(image, { onProgress, platform: parsePlatform('linux/arm64') });
    const withoutTag = mismatch().replace(image, image.replace(/:[^:/]*$/, ''));
    assert.equal(said.at(-1), `WARNING: ${withoutTag}`, said.join('\n'));
  });

  it('makes no container that was asked for on another', async () => {
    const config = containerConfig(image, ['true']);
    await assert.rejects(
      bed.engine.create({ ...config, platform: parsePlatform('linux/arm64') }),
      (e) => isSwarmtsError(e, 'image-not-found') && e.message === mismatch(),
    );
    assert.deepEqual(bed.engine.list(), []);
    await bed.engine.create({ ...config, platform: parsePlatform('amd64') });
  });
});
