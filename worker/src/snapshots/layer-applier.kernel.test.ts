/** Layers onto a real file system: what overlayfs needs, and what a hostile layer must not reach. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isSwarmtsError } from '@swarmts/lib';
import fc from 'fast-check';
import { type TarFile, tarOf } from '../engine/engine-bed.js';
import { decompressed } from './decompress.js';
import { applyLayer } from './layer-applier.js';
import { lgetxattr, lsetxattr } from './posix-calls.js';
import { TarReader } from './tar-reader.js';

describe('applying a layer', () => {
  let dir: string;
  let root: string;
  let umask: number;

  beforeEach(() => {
    umask = process.umask(0);
    dir = mkdtempSync(join(tmpdir(), 'swarmts-layer-'));
    root = join(dir, 'root');
    mkdirSync(root);
    writeFileSync(join(dir, 'outside'), 'untouched');
    mkdirSync(join(dir, 'outdir'), 0o755);
    utimesSync(join(dir, 'outdir'), 1e9, 1e9);
  });

  afterEach(() => {
    process.umask(umask);
    // Node's rm does not go down as deep as some of these trees are.
    execFileSync('rm', ['-rf', dir]);
  });

  async function* once(data: Buffer): AsyncGenerator<Buffer> {
    yield data;
  }

  async function apply(...files: TarFile[]) {
    return applyLayer(root, new TarReader(once(await tarOf(files))));
  }

  const at = (name: string) => join(root, name);
  const opaque = (name: string) => lgetxattr(Buffer.from(at(name)), 'trusted.overlay.opaque');
  const isWhiteout = (name: string) => {
    const s = lstatSync(at(name));
    return s.isCharacterDevice() && s.rdev === 0;
  };

  it('keeps owners, modes, times, setuid bits and kinds', async () => {
    const mtime = new Date('2001-02-03T04:05:06Z');
    const { sizeBytes } = await apply(
      { name: 'dir/', type: 'directory', mode: 0o2751, uid: 12, gid: 34, mtime },
      { name: 'dir/file', content: 'hello', mode: 0o4755, uid: 1, gid: 2, mtime },
      { name: 'dir/link', type: 'symlink', linkname: '../nowhere', uid: 5, gid: 6, mtime },
      { name: 'dir/hard', type: 'link', linkname: 'dir/file' },
      { name: 'dir/fifo', type: 'fifo', mode: 0o600 },
      { name: 'dir/null', type: 'character-device', mode: 0o666, devmajor: 1, devminor: 3 },
      { name: 'deep/er/file', content: '', uid: 70000, gid: 70000 },
    );
    assert.equal(sizeBytes, 5);
    const file = lstatSync(at('dir/file'));
    assert.deepEqual(
      [file.mode & 0o7777, file.uid, file.gid, file.nlink, file.mtimeMs],
      [0o4755, 1, 2, 2, mtime.getTime()],
    );
    const directory = lstatSync(at('dir'));
    assert.deepEqual(
      [directory.mode & 0o7777, directory.uid, directory.gid, directory.mtimeMs],
      [0o2751, 12, 34, mtime.getTime()],
    );
    assert.equal(readlinkSync(at('dir/link')), '../nowhere');
    assert.deepEqual([lstatSync(at('dir/link')).uid, lstatSync(at('dir/link')).mtimeMs], [5, mtime.getTime()]);
    assert.ok(lstatSync(at('dir/fifo')).isFIFO());
    assert.deepEqual([lstatSync(at('dir/null')).isCharacterDevice(), lstatSync(at('dir/null')).rdev], [true, 0x103]);
    assert.equal(lstatSync(at('deep/er/file')).uid, 70000);
  });

  it('keeps file names and attributes that are not UTF-8', async () => {
    // A version 2 capability header: binary, with bytes above 0x7f.
    const capability = '\x01\x00\x00\x02\x00\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
    await applyLayer(
      root,
      new TarReader(
        once(paxTar(Buffer.from([0x66, 0xff, 0x2f, 0x67]), { 'SCHILY.xattr.security.capability': capability })),
      ),
    );
    const [name] = readdirSync(Buffer.from(root), { encoding: 'buffer' });
    assert.deepEqual(name, Buffer.from([0x66, 0xff]));
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0x2f, 0x67])]);
    assert.equal(lgetxattr(path, 'security.capability'), capability);
  });

  it('turns whiteouts into what overlayfs understands', async () => {
    await apply(
      { name: 'dir/', type: 'directory' },
      { name: 'dir/.wh.gone', content: '' },
      { name: 'opaque/', type: 'directory' },
      { name: 'opaque/.wh..wh..opq', content: '' },
      { name: 'opaque/new', content: 'n' },
      { name: '.wh..wh.plnk', content: '' },
      { name: '.wh.replaced', content: '' },
      { name: 'replaced/', type: 'directory' },
      { name: 'again', content: 'kept' },
      { name: '.wh.again', content: '' },
    );
    assert.ok(isWhiteout('dir/gone'));
    assert.equal(opaque('opaque'), 'y');
    assert.deepEqual([lstatSync(at('replaced')).isDirectory(), opaque('replaced')], [true, 'y']);
    assert.equal(readFileSync(at('again'), 'utf8'), 'kept');
    assert.deepEqual(readdirSync(root).sort(), ['again', 'dir', 'opaque', 'replaced']);
  });

  it('hides and replaces lower files in a real overlay mount', async () => {
    const lower = join(dir, 'lower');
    for (const d of ['lower', 'lower/a', 'lower/b', 'work', 'upper', 'merged']) mkdirSync(join(dir, d));
    for (const f of ['a/1', 'a/2', 'b/1', 'top']) writeFileSync(join(lower, f), f);
    await apply(
      { name: 'a/.wh.1', content: '' },
      { name: 'b/', type: 'directory' },
      { name: 'b/.wh..wh..opq', content: '' },
      { name: '.wh.top', content: '' },
    );
    const options = `lowerdir=${root}:${lower},upperdir=${dir}/upper,workdir=${dir}/work`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, join(dir, 'merged')]);
    try {
      const merged = (name: string) => readdirSync(join(dir, 'merged', name));
      assert.deepEqual([merged(''), merged('a'), merged('b')], [['a', 'b'], ['2'], []]);
    } finally {
      execFileSync('umount', [join(dir, 'merged')]);
    }
  });

  it('lets a later entry replace an earlier one of another kind', async () => {
    await apply(
      { name: 'x/', type: 'directory' },
      { name: 'x/y', content: '1' },
      { name: 'x', content: 'now a file' },
      { name: 'z', type: 'symlink', linkname: '../outside' },
      { name: 'z', content: 'not through the link' },
    );
    assert.equal(readFileSync(at('x'), 'utf8'), 'now a file');
    assert.ok(lstatSync(at('z')).isFile());
    assert.equal(readFileSync(join(dir, 'outside'), 'utf8'), 'untouched');
  });

  it('follows links of the layer inside of its root only', async () => {
    await apply(
      { name: 'usr/lib/', type: 'directory' },
      { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
      { name: 'lib/libc', content: 'c' },
      { name: 'abs', type: 'symlink', linkname: '/usr/lib' },
      { name: 'abs/libm', content: 'm' },
      { name: 'up', type: 'symlink', linkname: '../../../usr/lib' },
      { name: 'up/libz', content: 'z' },
    );
    assert.deepEqual(readdirSync(at('usr/lib')).sort(), ['libc', 'libm', 'libz']);
  });

  describe('of an attacker', () => {
    const attacks: Record<string, (dir: string) => TarFile[]> = {
      'a name with ..': () => [{ name: '../outside', content: 'pwned' }],
      'a name with .. further in': () => [{ name: 'a/../../outside', content: 'pwned' }],
      'an absolute name': (d) => [{ name: `${d}/outside`, content: 'pwned' }],
      'a link to a directory outside': () => [
        { name: 'l', type: 'symlink', linkname: '../outdir' },
        { name: 'l/pwned', content: 'pwned' },
      ],
      'an absolute link to a directory outside': (d) => [
        { name: 'l', type: 'symlink', linkname: `${d}/outdir` },
        { name: 'l/pwned', content: 'pwned' },
      ],
      'a chain of links': () => [
        { name: 'a', type: 'symlink', linkname: '.' },
        { name: 'a/b', type: 'symlink', linkname: '..' },
        { name: 'a/b/outdir/pwned', content: 'pwned' },
      ],
      'a link over a directory that was used before': () => [
        { name: 'd/', type: 'directory' },
        { name: 'd/first', content: '1' },
        { name: 'd', type: 'symlink', linkname: '../outdir' },
        { name: 'd/pwned', content: 'pwned' },
      ],
      'the time of a directory, above which there is a link now': () => [
        { name: 'd/outdir/', type: 'directory', mtime: new Date(0) },
        { name: 'd', type: 'symlink', linkname: '..' },
      ],
      'a link to itself where a directory was': () => [
        { name: 'd/a/', type: 'directory' },
        { name: 'd', type: 'symlink', linkname: 'd/a' },
      ],
      'a file through a link to a file': () => [
        { name: 'f', type: 'symlink', linkname: '../outside' },
        { name: 'f', content: 'pwned' },
      ],
      'a hard link to outside': () => [
        { name: 'h', type: 'link', linkname: '../outside' },
        { name: 'h', content: 'pwned' },
      ],
      'an absolute hard link to outside': (d) => [{ name: 'h', type: 'link', linkname: `${d}/outside` }],
      'a hard link through a link': (d) => [
        { name: 'l', type: 'symlink', linkname: d },
        { name: 'h', type: 'link', linkname: 'l/outside' },
      ],
      'a whiteout of ..': () => [{ name: '.wh...', content: '' }],
      'a whiteout of .': () => [{ name: 'a/.wh..', content: '' }],
      'a whiteout without a name': () => [{ name: 'a/.wh.', content: '' }],
      'a whiteout through a link': () => [
        { name: 'l', type: 'symlink', linkname: '../' },
        { name: 'l/.wh.outside', content: '' },
      ],
      'an opaque marker through a link': () => [
        { name: 'l', type: 'symlink', linkname: '../outdir' },
        { name: 'l/.wh..wh..opq', content: '' },
      ],
      'modes through a link': () => [
        { name: 'l', type: 'symlink', linkname: '../outdir' },
        { name: 'l/', type: 'directory', mode: 0o777, uid: 666 },
      ],
      'a loop of links': () => [
        { name: 'a', type: 'symlink', linkname: 'b' },
        { name: 'b', type: 'symlink', linkname: 'a' },
        { name: 'a/x', content: 'pwned' },
      ],
      'a device where a file goes': () => [
        { name: 'f', type: 'character-device', devmajor: 1, devminor: 3 },
        { name: 'f', content: 'pwned' },
      ],
      'a pipe where a file goes': () => [
        { name: 'f', type: 'fifo' },
        { name: 'f', content: 'pwned' },
      ],
      'a hard link to a link, then a file through it': () => [
        { name: 'l', type: 'symlink', linkname: '../outside' },
        { name: 'h', type: 'link', linkname: 'l' },
        { name: 'h', content: 'pwned' },
      ],
      'a directory over a link to outside': () => [
        { name: 'l', type: 'symlink', linkname: '../outdir' },
        { name: 'l/', type: 'directory' },
        { name: 'l/pwned', content: 'pwned' },
      ],
      'a link over a whiteout': () => [
        { name: '.wh.d', content: '' },
        { name: 'd', type: 'symlink', linkname: '../outdir' },
        { name: 'd/.wh.pwned', content: '' },
      ],
      'a pax path that climbs out': () => [{ name: 'a', content: 'pwned', pax: { path: '../outside' } }],
      'a pax link target that climbs out': () => [
        { name: 'l', type: 'symlink', linkname: 'x', pax: { linkpath: '../outdir' } },
        { name: 'l/pwned', content: 'pwned' },
      ],
      'the owner of a link to outside': () => [
        { name: 'l', type: 'symlink', linkname: '../outdir', uid: 666, gid: 666, mode: 0o777 },
      ],
      'a name that is too long for any file system': () => [{ name: 'n'.repeat(300), content: 'pwned' }],
      'a path that is too long for any file system': () => [{ name: `${'d/'.repeat(3000)}f`, content: 'pwned' }],
      'a link target that is too long': () => [{ name: 'l', type: 'symlink', linkname: 't/'.repeat(3000) }],
      'a file where a directory is needed': () => [
        { name: 'f', content: '' },
        { name: 'f/x', content: 'pwned' },
      ],
    };

    for (const [what, files] of Object.entries(attacks)) {
      it(`survives ${what}`, async () => {
        try {
          await apply(...files(dir));
        } catch (e) {
          assert.ok(isSwarmtsError(e, 'corrupt'), String(e));
        }
        assert.equal(readFileSync(join(dir, 'outside'), 'utf8'), 'untouched');
        assert.equal(lstatSync(join(dir, 'outside')).nlink, 1);
        assert.deepEqual(readdirSync(join(dir, 'outdir')), []);
        const outdir = lstatSync(join(dir, 'outdir'));
        assert.deepEqual([outdir.uid, outdir.mode & 0o777, outdir.mtimeMs], [0, 0o755, 1e12]);
        assert.equal(lgetxattr(Buffer.from(join(dir, 'outdir')), 'trusted.overlay.opaque'), undefined);
        assert.deepEqual(readdirSync(dir).sort(), ['outdir', 'outside', 'root']);
      });
    }

    const limits = { maxBytes: 1 << 20, maxEntries: 100, reserveBytes: 0 };
    const unpack = (data: Buffer, more: Partial<typeof limits> = {}) =>
      applyLayer(root, new TarReader(decompressed(once(data))), { limits: { ...limits, ...more } });
    const isCorrupt = (message: RegExp) => (e: unknown) => isSwarmtsError(e, 'corrupt') && message.test(e.message);

    it('cannot fill the disk: with one file, with many, compressed or with holes', async () => {
      const zeros = await tarOf([{ name: 'zeros', content: Buffer.alloc(32 << 20) }]);
      await assert.rejects(unpack(zeros), isCorrupt(/'zeros' makes the archive larger than 1048576 bytes/));
      await assert.rejects(unpack(gzipSync(zeros)), isCorrupt(/larger than 1048576 bytes/));
      const half = Array.from({ length: 3 }, (_, i): TarFile => ({ name: `f${i}`, content: Buffer.alloc(500_000, 1) }));
      await assert.rejects(unpack(await tarOf(half)), isCorrupt(/'f2' makes the archive larger/));
      const many = Array.from({ length: 101 }, (_, i): TarFile => ({ name: `e${i}`, content: '' }));
      await assert.rejects(unpack(await tarOf(many)), isCorrupt(/more than 100 entries/));
      const links = Array.from({ length: 101 }, (_, i): TarFile => ({ name: `l${i}`, type: 'symlink', linkname: 'x' }));
      await assert.rejects(unpack(await tarOf(links)), isCorrupt(/more than 100 entries/));
      const sparse = header('hole', 'S', 0, (b) => b.write('77777777777\0', 483));
      await assert.rejects(unpack(Buffer.concat([sparse, Buffer.alloc(1024)])), isCorrupt(/'hole' makes the archive/));
    });

    it('cannot take the last of the disk', async () => {
      const data = await tarOf([{ name: 'f', content: 'x' }]);
      await assert.rejects(unpack(data, { reserveBytes: Number.MAX_SAFE_INTEGER }), (e) => {
        return isSwarmtsError(e, 'no-space') && /no space left on device/.test(e.message);
      });
    });

    for (const [what, data, message] of [
      ['an extended header of gigabytes', () => header('x', 'x', 2 ** 31), /extended header of 2147483648 bytes/],
      ['a long name of gigabytes', () => header('x', 'L', 2 ** 31), /extended header of/],
      [
        'extended headers without end',
        () => Buffer.concat(Array(40).fill(paxBlock('a=b'))),
        /too many extended headers/,
      ],
      [
        'global headers without end',
        () =>
          Buffer.concat(Array(3).fill(Buffer.concat([paxBlock(`k=${'v'.repeat(600_000)}`, 'g'), header('f', '0', 0)]))),
        /too many global headers/,
      ],
      [
        'a negative size',
        () => header('f', '0', 0, (b) => b.write('\xff'.repeat(12), 124, 'latin1')),
        /has the size -1/,
      ],
      [
        'a size beyond all numbers',
        () => header('f', '0', 0, (b) => b.write(`\x80${'\x7f'.repeat(11)}`, 124, 'latin1')),
        /out of range/,
      ],
      [
        'a pax size beyond all numbers',
        () => Buffer.concat([paxBlock('size=99999999999999999999'), header('f', '0', 0)]),
        /bad size/,
      ],
      ['a name with a NUL in it', () => paxTar(Buffer.from('a\0b'), {}), /NUL byte/],
      [
        'a negative owner',
        () => header('f', '0', 0, (b) => b.write('\xff'.repeat(8), 108, 'latin1')),
        /owner out of range/,
      ],
      [
        'an owner that no kernel knows',
        () => Buffer.concat([paxBlock('uid=99999999999'), header('f', '0', 0)]),
        /owner out of range/,
      ],
      [
        'a sparse map out of order',
        () =>
          Buffer.concat([
            paxBlock('GNU.sparse.map=100,10,50,10', 'x', 'GNU.sparse.size=200'),
            header('f', '0', 20),
            Buffer.alloc(512),
          ]),
        /sparse map out of order/,
      ],
      [
        'a sparse map larger than its data',
        () =>
          Buffer.concat([
            paxBlock('GNU.sparse.map=0,600', 'x', 'GNU.sparse.size=600'),
            header('f', '0', 20),
            Buffer.alloc(512),
          ]),
        /sparse map larger than its data/,
      ],
    ] as const) {
      it(`refuses ${what}`, async () => {
        await assert.rejects(unpack(Buffer.concat([data(), Buffer.alloc(1024)])), isCorrupt(message));
        assert.deepEqual(readdirSync(dir).sort(), ['outdir', 'outside', 'root']);
      });
    }

    it('cannot set the attributes that overlayfs acts on', async () => {
      const pax = { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.fine': 'yes' };
      await applyLayer(root, new TarReader(once(paxTar(Buffer.from('file'), pax))));
      assert.equal(lgetxattr(Buffer.from(at('file')), 'trusted.overlay.redirect'), undefined);
      assert.equal(lgetxattr(Buffer.from(at('file')), 'user.fine'), 'yes');
    });

    it('never writes outside, whatever names and links it combines', async () => {
      const name = fc
        .array(fc.constantFrom('a', 'b', '..', '.', '', 'outdir', '.wh.a', '.wh...'), { minLength: 1, maxLength: 4 })
        .map((p) => p.join('/'));
      const entry = fc.oneof(
        name.map((n): TarFile => ({ name: n || 'x', content: 'pwned' })),
        name.map((n): TarFile => ({ name: `${n}/`, type: 'directory' })),
        fc.tuple(name, name).map(([n, l]): TarFile => ({ name: n || 'x', type: 'symlink', linkname: l || '..' })),
        fc.tuple(name, name).map(([n, l]): TarFile => ({ name: n || 'x', type: 'link', linkname: l || '..' })),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (files) => {
          rmSync(root, { recursive: true, force: true });
          mkdirSync(root);
          await apply(...files).catch((e: unknown) => assert.ok(isSwarmtsError(e, 'corrupt'), String(e)));
          assert.deepEqual(readdirSync(dir).sort(), ['outdir', 'outside', 'root']);
          assert.deepEqual(readdirSync(join(dir, 'outdir')), []);
          assert.equal(lstatSync(join(dir, 'outside')).nlink, 1);
        }),
        { numRuns: 150 },
      );
    });
  });

  it('reads sparse files of every kind and makes holes of their zeros', async () => {
    const file = join(dir, 'outdir', 'sparse');
    const size = 40 << 20;
    writeFileSync(file, 'start');
    truncateSync(file, size);
    const fd = openSync(file, 'r+');
    for (let i = 1; i <= 30; i++) writeSync(fd, `piece ${i}`, i << 20);
    closeSync(fd);
    for (const format of ['gnu', 'posix --sparse-version=0.1', 'posix --sparse-version=1.0', 'ustar']) {
      const sparse = format === 'ustar' ? [] : ['-S'];
      const args = [...sparse, ...`--format=${format}`.split(' '), '-C', join(dir, 'outdir'), '-c', 'sparse'];
      const archive = execFileSync('tar', args, { maxBuffer: 64 << 20 });
      assert.equal(archive.length < 1 << 20, format !== 'ustar', format);
      const { sizeBytes } = await applyLayer(root, new TarReader(once(archive)));
      execFileSync('cmp', [file, at('sparse')]);
      assert.equal(sizeBytes, size, format);
      assert.ok(lstatSync(at('sparse')).blocks * 512 < 1 << 20, format);
      rmSync(at('sparse'));
    }
    rmSync(file);
  });

  it('refuses what it cannot represent instead of guessing', async () => {
    await assert.rejects(
      apply({ name: 'h', type: 'link', linkname: 'missing' }),
      /points to 'missing', which is not in the layer/,
    );
    await assert.rejects(
      apply({ name: 'd/', type: 'directory' }, { name: 'h', type: 'link', linkname: 'd' }),
      /to the directory 'd'/,
    );
    assert.equal(existsSync(at('h')), false);
    lsetxattr(Buffer.from(root), 'user.probe', 'x');
    assert.equal(lgetxattr(Buffer.from(root), 'user.probe'), 'x');
  });
});

/** One empty file with a pax header, byte for byte. */
function paxTar(name: Buffer, pax: Readonly<Record<string, string>>): Buffer {
  const records = Object.entries(pax).map(([k, v]) => record(`${k}=${v}`));
  records.push(record(`path=${name.toString('latin1')}`));
  const body = Buffer.from(records.join(''), 'latin1');
  const padded = Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
  return Buffer.concat([header('pax', 'x', body.length), padded, header('short', '0', 0), Buffer.alloc(1024)]);
}

function record(text: string): string {
  let length = text.length + 2;
  while (`${length} ${text}\n`.length !== length) length++;
  return `${length} ${text}\n`;
}

/** A pax header with its records. */
function paxBlock(text: string, type = 'x', ...more: string[]): Buffer {
  const body = Buffer.from([text, ...more].map(record).join(''), 'latin1');
  return Buffer.concat([header('pax', type, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function header(name: string, type: string, size: number, change: (block: Buffer) => void = () => undefined): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  change(block);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
