/** Images that cannot be had: damaged in the registry, or too large for the disk. The task says why, and runs when it can. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { type ApiTask, failed, newLab, ok, tasksOf, untilRunning } from './testing.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Manifest {
  readonly layers: readonly { readonly digest: string }[];
}

describe('images that cannot be had', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 0 });
  });
  after(() => lab.down());

  /** File of a blob in the registry's storage. */
  function blobFile(digest: string): string {
    const hex = digest.replace('sha256:', '');
    const registry = join(dirname(dirname(lab.dataRoot('m1'))), 'registry');
    return join(registry, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  }

  async function manifestOf(image: string): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
    const url = `http://registry:5000/v2/${image}/manifests/latest`;
    const head = ok(await lab.exec('m1', ['curl', '-sI', '-H', `Accept: ${MANIFEST}`, url]));
    const body = ok(await lab.exec('m1', ['curl', '-s', '-H', `Accept: ${MANIFEST}`, url]));
    const digest = /docker-content-digest: (\S+)/i.exec(head)?.[1];
    assert.ok(digest);
    return { digest, manifest: JSON.parse(body) as Manifest };
  }

  /** Turns every bit of the blob's middle byte around while `fn` runs. */
  async function damaged(digest: string, fn: () => Promise<void>): Promise<void> {
    const file = blobFile(digest);
    const whole = readFileSync(file);
    const bad = Buffer.from(whole);
    const middle = bad.length >> 1;
    bad.writeUInt8(bad.readUInt8(middle) ^ 0xff, middle);
    writeFileSync(file, bad);
    try {
      await fn();
    } finally {
      writeFileSync(file, whole);
    }
  }

  const create = async (image: string) =>
    ok(
      await lab.swarmts(
        'm1',
        ...['service', 'create', '-d', '--name', 'broken', '--no-resolve-image', '--restart-delay', '200ms'],
        ...['--stop-grace-period', '0s', image, 'sleep', '1000'],
      ),
    );
  const rejected = (): Promise<ApiTask> =>
    waitFor('a task is rejected', 60_000, async () =>
      (await tasksOf(lab, 'm1')).find((t) => t.Status.State === 'rejected'),
    );
  const leave = async () => {
    ok(await lab.swarmts('m1', 'service', 'rm', 'broken'));
    await waitFor('its tasks are gone', 60_000, async () => (await tasksOf(lab, 'm1')).length === 0);
    const containers = async () => ok(await lab.docker('m1', 'ps', '-aq')).trim();
    await waitFor('its containers are gone', 60_000, async () => (await containers()) === '');
  };

  it('a damaged layer: the task is rejected with both digests, and runs once the layer is whole', async () => {
    const { manifest } = await manifestOf('busybox');
    const layer = manifest.layers[0]?.digest;
    assert.ok(layer);
    await damaged(layer, async () => {
      assert.match(failed(await lab.docker('m1', 'pull', 'registry:5000/busybox')), /digest|checksum/i);
      await create('registry:5000/busybox');
      assert.match((await rejected()).Status.Err ?? '', new RegExp(layer));
    });
    await untilRunning(lab, 'm1', 'broken', 1);
    await leave();
    ok(await lab.swarmts('m1', 'rmi', 'registry:5000/busybox'));
  });

  it('a damaged manifest: the task is rejected and says so', async () => {
    const { digest } = await manifestOf('busybox');
    await damaged(digest, async () => {
      assert.match(failed(await lab.docker('m1', 'pull', 'registry:5000/busybox')), /manifest|500/i);
      await create('registry:5000/busybox');
      assert.match((await rejected()).Status.Err ?? '', /manifest|500/i);
    });
    await untilRunning(lab, 'm1', 'broken', 1);
    await leave();
    ok(await lab.swarmts('m1', 'rmi', 'registry:5000/busybox'));
  });

  it('a full disk: the task is rejected, nothing half is left, and it runs once there is room', async () => {
    const images = join(lab.dataRoot('m1'), 'images');
    ok(await lab.exec('m1', ['mount', '-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', images]));
    ok(await lab.exec('m1', ['mkdir', '-p', join(images, 'tmp'), join(images, 'blobs', 'sha256')]));
    try {
      assert.match(failed(await lab.docker('m1', 'pull', 'registry:5000/busybox')), /no space left on device/);
      await create('registry:5000/busybox');
      assert.match((await rejected()).Status.Err ?? '', /no space left on device/);
      assert.equal(ok(await lab.docker('m1', 'images', '-q')).trim(), '');
    } finally {
      ok(await lab.exec('m1', ['umount', '-l', images]));
    }
    await untilRunning(lab, 'm1', 'broken', 1);
    await leave();
  });
});
