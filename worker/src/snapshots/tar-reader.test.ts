/** Tar archives of every dialect, and broken ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { tarOf } from '../engine/engine-bed.js';
import { type TarHeader, TarReader } from './tar-reader.js';

async function* cut(data: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const size = sizes[i % sizes.length] ?? 512;
    yield data.subarray(at, at + size);
    at += size;
  }
}

async function readAll(data: Buffer, sizes: readonly number[] = [512]): Promise<{ header: TarHeader; body: Buffer }[]> {
  const tar = new TarReader(cut(data, sizes));
  const out: { header: TarHeader; body: Buffer }[] = [];
  for (let header = await tar.next(); header; header = await tar.next()) {
    const parts: Buffer[] = [];
    await tar.readBody((c) => parts.push(Buffer.from(c)));
    out.push({ header, body: Buffer.concat(parts) });
  }
  return out;
}

describe('the tar reader', () => {
  it('reads what GNU tar writes, in every format', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-tar-'));
    try {
      const long = 'n'.repeat(90);
      const name = `${long}/${long}/${long}`;
      execFileSync('mkdir', ['-p', join(dir, long, long)]);
      writeFileSync(join(dir, name), 'content');
      for (const format of ['gnu', 'pax', 'posix']) {
        const archive = execFileSync('tar', [
          '-C',
          dir,
          `--format=${format}`,
          '--mtime=@1234567890.5',
          '-cf',
          '-',
          name,
        ]);
        const [entry] = await readAll(archive, [700]);
        assert.equal(entry?.header.name, name, format);
        assert.equal(entry?.body.toString(), 'content');
        assert.equal(Math.floor(entry?.header.mtime ?? 0), 1234567890);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('reads large owners in base 256', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-tar-'));
    try {
      writeFileSync(join(dir, 'f'), '');
      const archive = execFileSync('tar', [
        '-C',
        dir,
        '--format=gnu',
        '--owner=x:3000000000',
        '--group=y:2500000000',
        '-cf',
        '-',
        'f',
      ]);
      const [entry] = await readAll(archive);
      assert.deepEqual([entry?.header.uid, entry?.header.gid], [3000000000, 2500000000]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('gives the same whatever the sizes of the chunks', async () => {
    const file = fc.record({
      name: fc.stringMatching(/^[a-zé]{1,150}$/),
      content: fc.uint8Array({ maxLength: 3000 }).map((b) => Buffer.from(b)),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1 }),
        async (files, sizes) => {
          const entries = await readAll(await tarOf(files), sizes);
          assert.deepEqual(
            entries.map((e) => [Buffer.from(e.header.name, 'latin1').toString(), e.body.toString('hex')]),
            files.map((f) => [f.name, f.content.toString('hex')]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('skips bodies that nobody reads', async () => {
    const tar = new TarReader(
      cut(
        await tarOf([
          { name: 'a', content: 'x'.repeat(5000) },
          { name: 'b', content: 'y' },
        ]),
        [100],
      ),
    );
    assert.equal((await tar.next())?.name, 'a');
    assert.equal((await tar.next())?.name, 'b');
    assert.equal(await tar.next(), undefined);
  });

  it('refuses archives that are cut off or damaged, and never anything else', async () => {
    const whole = await tarOf([{ name: 'a', content: 'x'.repeat(2000) }]);
    await assert.rejects(readAll(whole.subarray(0, 1000)), /unexpected end of archive/);
    await assert.rejects(readAll(Buffer.from('nonsense')), /unexpected end of archive/);
    const damaged = Buffer.from(whole);
    damaged[0] = 0x7a;
    await assert.rejects(readAll(damaged), /header checksum mismatch/);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 512, maxLength: 3000 }), async (bytes) => {
        await readAll(Buffer.from(bytes)).catch((e: unknown) =>
          assert.ok(isSwarmtsError(e, 'corrupt', 'unsupported'), String(e)),
        );
      }),
    );
  });

  it('refuses an archive whose end is cut off, unless a whole block is missing', async () => {
    const end = (bytes: number) => Buffer.alloc(bytes);
    const next = (bytes: number) => new TarReader(cut(end(bytes), [512])).next();
    for (const bytes of [0, 512, 1024, 10_240]) assert.equal(await next(bytes), undefined);
    for (const bytes of [511, 513, 1023])
      await assert.rejects(next(bytes), (e) => isSwarmtsError(e, 'corrupt'), String(bytes));
  });

  it('survives any change of a byte in a valid archive', async () => {
    const whole = await tarOf([
      { name: 'é'.repeat(80), content: 'x'.repeat(600) },
      { name: 'link', type: 'symlink', linkname: 'y' },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), async (at, value) => {
        const changed = Buffer.from(whole);
        changed[at] = value;
        await readAll(changed).catch((e: unknown) => assert.ok(isSwarmtsError(e, 'corrupt', 'unsupported'), String(e)));
      }),
    );
  });
});
