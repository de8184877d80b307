/** Layers in every compression, whole and broken. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError } from '@swarmts/lib';
import { decompressed, detectCompression } from './decompress.js';

async function* cut(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function plain(data: Buffer, size = 1000): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const c of decompressed(cut(data, size))) parts.push(c);
  return Buffer.concat(parts);
}

/** Of a zstd frame whose window is 2^(10 + log) bytes. */
const frame = (log: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, log << 3]);

/** A block of `size` times one byte. */
function repeated(size: number, isLast: boolean): Buffer {
  const block = Buffer.alloc(4, 'A');
  block.writeUIntLE((size << 3) | (1 << 1) | Number(isLast), 0, 3);
  return block;
}

/** 1000 bytes, with a dictionary of 4 GiB. */
const WIDE_XZ = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhASgAAADmoBGz4APnAAtdACDv+7/+o7C5plYAAABoPog+3NZFkwABJ+gHAAAA9FWPXLHEZ/sCAAAAAARZWg==',
  'base64',
);

const zstd = (data: Buffer) => execFileSync('zstd', ['-q', '-c'], { input: data });

describe('decompressing', () => {
  const content = Buffer.from(randomBytes(50_000).toString('base64'));

  it('finds out by the content', async () => {
    for (const data of [content, gzipSync(content), zstd(content)]) {
      for (const size of [1, 3, 1000, 1 << 20]) {
        if (size === 1 && data.length > 60_000) continue;
        assert.ok((await plain(data, size)).equals(content));
      }
    }
    assert.equal((await plain(Buffer.alloc(0))).length, 0);
    assert.ok((await plain(Buffer.from('ab'))).equals(Buffer.from('ab')));
  });

  it('reads several frames or members one after the other', async () => {
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const twice = Buffer.concat([content, content]);
    assert.ok((await plain(Buffer.concat([gzipSync(content), gzipSync(content)]))).equals(twice));
    assert.ok(
      (await plain(Buffer.concat([skippable, zstd(content), skippable, zstd(content), skippable]))).equals(twice),
    );
    assert.equal(detectCompression(skippable), 'zstd');
  });

  it('calls broken data corrupt', async () => {
    for (const data of [gzipSync(content), zstd(content)]) {
      await assert.rejects(plain(data.subarray(0, data.length / 2)), (e) => isSwarmtsError(e, 'corrupt'));
      const damaged = Buffer.from(data);
      damaged.fill(0xff, 30, 60);
      await assert.rejects(plain(damaged), (e) => isSwarmtsError(e, 'corrupt'));
    }
  });

  it('reads what programs of their own unpack', async () => {
    for (const program of ['bzip2', 'xz']) {
      const data = execFileSync(program, ['-c'], { input: content });
      assert.ok((await plain(data)).equals(content));
      await assert.rejects(plain(data.subarray(0, data.length / 2)), (e) => isSwarmtsError(e, 'corrupt'));
    }
  });

  it('does not let a few bytes of xz take much memory', async () => {
    await assert.rejects(plain(WIDE_XZ), (e) => isSwarmtsError(e, 'corrupt') && /allocate memory/.test(e.message));
  });

  it('does not let a few bytes of zstd take much memory', async () => {
    const wide = Buffer.concat([frame(20), repeated(1000, true)]);
    await assert.rejects(
      plain(wide),
      (e) => isSwarmtsError(e, 'unsupported') && /window of more than 128 MiB/.test(e.message),
    );
    const blocks = Array.from({ length: 500 }, () => repeated((2 << 20) - 1, false));
    const long = Buffer.concat([frame(14), ...blocks, repeated(1, true)]);
    await assert.rejects(plain(long), (e) => isSwarmtsError(e, 'corrupt'));
    const largest = Buffer.concat([frame(17), repeated(128 << 10, false), repeated(1, true)]);
    assert.equal((await plain(largest)).length, (128 << 10) + 1);
  });
});
