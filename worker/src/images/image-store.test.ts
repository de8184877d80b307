import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import { BlobIngest, BlobStore } from './blob-store.js';
import { ImageStore } from './image-store.js';
import { sha256Digest } from './manifest.js';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

describe('the garbage of images', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-store-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is not what somebody has begun to use while other garbage was removed', async () => {
    const layers = new Set(['1', '2', '3'].map(digest));
    let onRemove: () => void = () => undefined;
    const chains: string[] = [];
    const store = await ImageStore.open({
      root: dir,
      // What a sweep asks of the layers.
      layers: {
        list: () => [...layers],
        sizeBytes: () => 1,
        remove: async (l: string) => {
          onRemove();
          layers.delete(l);
        },
      } as unknown as LayerStore,
      helper: {} as HelperApi,
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      platform: { os: 'linux', architecture: 'amd64' },
      registry: {},
      users: () => [{ containerId: 'c', imageId: 'i', running: false, chain: chains }],
      emit: () => undefined,
    });
    await store.holding(async (hold) => {
      onRemove = () => {
        hold([digest('2')]);
        chains.push(digest('3'));
      };
      const gone = await store.sweep();
      assert.deepEqual(
        gone.map((g) => g.chainId),
        [digest('1')],
      );
      assert.deepEqual([...layers], [digest('2'), digest('3')]);
    });
  });

  it('is not what a write leaves that broke off and was tried again', async () => {
    const blobs = await BlobStore.open(dir);
    const path = blobs.tmpPath();
    const ingest = new BlobIngest(path, breaksOffOnce(await open(path, 'wx')), (digest) => blobs.path(digest));
    const [first, second] = [Buffer.alloc(1000, 'a'), Buffer.alloc(3000, 'b')];
    await assert.rejects(ingest.write(first), /EIO/);
    assert.equal(ingest.written, 0);
    await ingest.write(first);
    await ingest.write(second);
    const whole = Buffer.concat([first, second]);
    await ingest.commit(sha256Digest(whole));
    assert.ok((await blobs.read(sha256Digest(whole))).equals(whole));
  });

  /** The first write gets half of its bytes to the disk. */
  function breaksOffOnce(file: FileHandle): FileHandle {
    let isBroken = false;
    const breakOff = async (data: Buffer, position?: number) => {
      isBroken = true;
      await file.write(data, 0, data.length / 2, position);
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    };
    return new Proxy(file, {
      get: (_, name) => {
        if (name === 'writeFile') return (data: Buffer) => (isBroken ? file.writeFile(data) : breakOff(data));
        if (name === 'write') {
          return (data: Buffer, offset: number, length: number, position: number) =>
            isBroken ? file.write(data, offset, length, position) : breakOff(data, position);
        }
        const value: unknown = Reflect.get(file, name);
        return typeof value === 'function' ? value.bind(file) : value;
      },
    });
  }

  it('is not there any more as soon as its removal begins', async () => {
    const blobs = await BlobStore.open(dir);
    writeFileSync(blobs.path(digest('a')), 'x');
    assert.equal(await blobs.has(digest('a')), true);
    const removal = blobs.remove(digest('a'));
    assert.equal(await blobs.has(digest('a')), false);
    await removal;
  });
});
