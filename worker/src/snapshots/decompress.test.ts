/** Layers in every compression, whole and broken. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    const refused = /xz data that takes more than 1024 MiB of memory: compress it again with a smaller dictionary/;
    await assert.rejects(plain(WIDE_XZ), (e) => isSwarmtsError(e, 'unsupported') && refused.test(e.message));
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

  describe('with programs that are not as they should be', () => {
    const { PATH } = process.env;
    let bin: string;
    beforeEach(() => {
      bin = mkdtempSync(join(tmpdir(), 'swarmts-bin-'));
      process.env.PATH = bin;
    });
    afterEach(() => {
      process.env.PATH = PATH;
      rmSync(bin, { recursive: true });
    });

    const link = (program: string) =>
      symlinkSync(execFileSync('which', [program], { env: { PATH }, encoding: 'utf8' }).trim(), join(bin, program));
    const script = (name: string, text: string) =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const fails = (code: 'unsupported' | 'unavailable', message: RegExp) =>
      assert.rejects(plain(frame(10)), (e) => isSwarmtsError(e, code) && message.test(e.message));

    it('names the package of one that is missing', async () => {
      await fails('unsupported', /^prlimit is needed to read this archive: install util-linux$/);
      link('prlimit');
      await fails('unsupported', /^zstd is needed to read this archive: install zstd$/);
    });

    it('does not blame the data for a limit that cannot be set', async () => {
      const said = 'prlimit: failed to set the AS resource limit: Operation not permitted';
      script('prlimit', `echo '${said}' >&2; exit 1`);
      await fails('unavailable', /^zstd could not be started with a limit of 1024 MiB .*not permitted.*LimitAS=/);
    });

    it('does not blame the data for a program that is ended or may not run', async () => {
      link('prlimit');
      script('zstd', 'kill -9 $$');
      await fails('unavailable', /^zstd was ended with SIGKILL/);
      chmodSync(join(bin, 'zstd'), 0o644);
      await fails('unavailable', /^zstd could not be started .*Permission denied/);
    });
  });
});
