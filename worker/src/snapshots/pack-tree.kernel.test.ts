/** Packing upper directories and unpacking what came out. Needs root for owners, devices and overlay attributes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { applyLayer } from './layer-applier.js';
import { packTree } from './pack-tree.js';
import { lgetxattr, lsetxattr, mknod } from './posix-calls.js';
import { byteString } from './scoped-path.js';
import { TarReader } from './tar-reader.js';
import { TarWriter } from './tar-writer.js';

const path = (p: string) => Buffer.from(p);

describe('packing a layer', () => {
  let dir: string;
  let source: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-pack-'));
    source = join(dir, 'source');
    mkdirSync(source);
  });
  // Node's rm does not go down as deep as one of these trees is.
  afterEach(() => execFileSync('rm', ['-rf', dir]));

  /** What `meanwhile` does happens when the header of that name is written. */
  function pack(
    emptyMounts: readonly string[] = [],
    lower: readonly string[] = [],
    meanwhile: Readonly<Record<string, () => void>> = {},
  ): Buffer {
    const chunks: Buffer[] = [];
    const tar = new TarWriter((c) => {
      chunks.push(Buffer.from(c));
      if (c.length === 512) meanwhile[c.toString('latin1', 0, 100).replace(/\0.*/s, '')]?.();
    });
    packTree(byteString(source), tar, { upper: true, emptyMounts: new Set(emptyMounts), lower });
    tar.finish();
    return Buffer.concat(chunks);
  }
  async function names(archive: Buffer): Promise<string[]> {
    const reader = new TarReader(one(archive));
    const out: string[] = [];
    for (let h = await reader.next(); h; h = await reader.next()) out.push(h.name);
    return out;
  }
  async function* one(data: Buffer) {
    yield data;
  }

  it('keeps what an unpacked layer must have, and gives the same bytes again', async () => {
    mkdirSync(join(source, 'd'));
    writeFileSync(join(source, 'd/file'), 'content');
    chownSync(join(source, 'd/file'), 3_000_000, 7);
    chmodSync(join(source, 'd/file'), 0o4755);
    utimesSync(join(source, 'd/file'), 1e9, 1e9);
    linkSync(join(source, 'd/file'), join(source, 'd/same'));
    symlinkSync('file', join(source, 'd/link'));
    lsetxattr(path(join(source, 'd/file')), 'user.note', '\x00\xff');
    lsetxattr(
      path(join(source, 'd/file')),
      'security.capability',
      '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00',
    );
    mknod(path(join(source, 'd/null')), 'char', 0o666, 1, 3);
    mknod(path(join(source, 'd/pipe')), 'fifo', 0o600);
    const long = `${'n'.repeat(120)}/${'m'.repeat(120)}`;
    mkdirSync(join(source, long), { recursive: true });
    writeFileSync(join(source, long, 'deep'), 'x');
    const archive = pack();
    assert.ok(archive.equals(pack()));
    const target = join(dir, 'target');
    mkdirSync(target);
    await applyLayer(target, new TarReader(one(archive)));
    const s = statSync(join(target, 'd/file'));
    assert.deepEqual([s.uid, s.gid, s.mode & 0o7777, s.mtimeMs, s.nlink], [3_000_000, 7, 0o4755, 1e12, 2]);
    assert.equal(lgetxattr(path(join(target, 'd/file')), 'user.note'), '\x00\xff');
    assert.equal(lgetxattr(path(join(target, 'd/file')), 'security.capability')?.length, 20);
    assert.ok(lstatSync(join(target, 'd/link')).isSymbolicLink() && lstatSync(join(target, 'd/pipe')).isFIFO());
    assert.equal(lstatSync(join(target, 'd/null')).rdev, 0x103);
    assert.ok(statSync(join(target, long, 'deep')).isFile());
  });

  it('is read by tar', () => {
    writeFileSync(join(source, 'a'), 'content');
    writeFileSync(join(source, 'b'.repeat(200)), '');
    const listed = execFileSync('tar', ['-tvf', '-'], { input: pack(), encoding: 'utf8' });
    assert.match(listed, /7 .* a\n.* b{200}\n$/);
  });

  it('writes whiteouts and opaque marks, and none of the attributes of overlayfs', async () => {
    mkdirSync(join(source, 'new'));
    lsetxattr(path(join(source, 'new')), 'trusted.overlay.opaque', 'y');
    mknod(path(join(source, 'gone')), 'char', 0, 0, 0);
    const archive = pack();
    assert.deepEqual(await names(archive), ['.wh.gone', 'new/', 'new/.wh..wh..opq']);
    assert.equal(archive.includes('trusted.overlay'), false);
  });

  it('leaves out mount points that are empty, and only those', async () => {
    for (const d of ['dev', 'dev/pts', 'etc', 'proc', 'data']) mkdirSync(join(source, d));
    for (const f of ['etc/hosts', 'dev/console']) writeFileSync(join(source, f), '');
    writeFileSync(join(source, 'etc/resolv.conf'), 'kept');
    const mounts = ['dev', 'dev/pts', 'dev/console', 'proc', 'etc/hosts', 'etc/resolv.conf', 'data'];
    assert.deepEqual(await names(pack(mounts)), ['etc/', 'etc/resolv.conf']);
    rmSync(join(source, 'etc/resolv.conf'));
    assert.deepEqual(await names(pack(mounts)), []);
    const lower = join(dir, 'lower');
    mkdirSync(join(lower, 'etc'), { recursive: true });
    assert.deepEqual(await names(pack(mounts, [lower])), []);
    chmodSync(join(lower, 'etc'), 0o700);
    assert.deepEqual(await names(pack(mounts, [lower])), ['etc/'], 'its mode was changed');
    writeFileSync(join(source, 'etc/resolv.conf'), 'kept');
    writeFileSync(join(source, 'data/file'), '');
    assert.deepEqual(await names(pack(mounts)), ['data/', 'data/file', 'etc/', 'etc/resolv.conf']);
  });

  describe('while it changes', () => {
    const packWhile = (meanwhile: Readonly<Record<string, () => void>>) => pack([], [], meanwhile);

    it('leaves out what is gone, and takes what has come in its place', async () => {
      for (const f of ['a', 'b', 'c']) writeFileSync(join(source, f), f);
      mkdirSync(join(source, 'd'));
      symlinkSync('x', join(source, 'e'));
      const archive = packWhile({
        a: () => {
          for (const gone of ['b', 'd', 'e']) rmSync(join(source, gone), { recursive: true });
          rmSync(join(source, 'c'));
          mkdirSync(join(source, 'c'));
        },
      });
      assert.deepEqual(await names(archive), ['a', 'c/']);
    });

    it('fills up with zeros what has become shorter', async () => {
      writeFileSync(join(source, 'log'), 'x'.repeat(600_000));
      const reader = new TarReader(one(packWhile({ log: () => truncateSync(join(source, 'log'), 300_000) })));
      assert.equal((await reader.next())?.size, 600_000);
      const body: Buffer[] = [];
      await reader.readBody((c) => body.push(Buffer.from(c)));
      assert.ok(Buffer.concat(body).equals(Buffer.concat([Buffer.alloc(300_000, 'x'), Buffer.alloc(300_000)])));
      assert.equal(await reader.next(), undefined);
    });

    it('is not led out of the tree by links', async () => {
      const outside = join(dir, 'outside');
      mkdirSync(outside);
      for (const f of ['in', 'secret']) writeFileSync(join(outside, f), 'secret');
      mkdirSync(join(source, 'd'));
      for (const f of ['d/in', 'file']) writeFileSync(join(source, f), 'inside');
      const archive = packWhile({
        'd/': () => {
          renameSync(join(source, 'd'), join(source, 'moved'));
          symlinkSync(outside, join(source, 'd'));
        },
        file: () => {
          rmSync(join(source, 'file'));
          symlinkSync(join(outside, 'secret'), join(source, 'file'));
        },
      });
      assert.deepEqual(await names(archive), ['d/', 'd/in', 'file']);
      assert.equal(archive.includes('secret'), false);
    });

    it('leaves the working directory as it was', () => {
      const before = process.cwd();
      mkdirSync(join(source, 'd'));
      const broken = () => {
        throw new Error('disk full');
      };
      assert.throws(() => packWhile({ 'd/': broken }), /disk full/);
      assert.equal(process.cwd(), before);
    });
  });

  it('refuses paths that nobody can unpack', () => {
    const make = `cd ${source}; for i in $(seq 25); do d=$(printf 'd%0200d' 1); mkdir $d; cd -P $d; done`;
    execFileSync('sh', ['-c', make]);
    assert.throws(() => pack(), /d0.*: a path of more than 4096 bytes, which nobody can unpack/);
  });

  describe('of great depth', () => {
    const LEVELS = 2000;
    /** What headers of far down have for a name. */
    const BELOW = 'd/'.repeat(50);
    /** Directories named d below each other; after each of them comes a file named e. */
    function makeDeep(levels: number): void {
      const level = `fs.mkdirSync('d'); fs.writeFileSync('e', ''); process.chdir('d');`;
      execFileSync(process.execPath, ['-e', `for (let i = 0; i < ${levels}; i++) { ${level} }`], { cwd: source });
    }

    it('goes as deep as paths may be long, and up again', async () => {
      makeDeep(LEVELS);
      const found = await names(pack());
      assert.equal(found.length, 2 * LEVELS);
      assert.equal(found[LEVELS - 1], 'd/'.repeat(LEVELS));
      assert.equal(found[LEVELS], `${'d/'.repeat(LEVELS - 1)}e`);
      assert.deepEqual(found.slice(-2), ['d/e', 'e']);
    });

    it('has few descriptors open meanwhile, and none afterwards', () => {
      makeDeep(1000);
      const open = () => readdirSync('/proc/self/fd').length;
      const before = open();
      let most = 0;
      pack([], [], {
        [BELOW]: () => {
          most = Math.max(most, open());
        },
      });
      assert.ok(most > before && most < before + 200, `${most} descriptors`);
      assert.equal(open(), before);
    });

    it('does not go up to another directory than it came from', () => {
      makeDeep(300);
      const move = () => {
        if (!existsSync(join(source, 'moved'))) renameSync(join(source, 'd/d/d'), join(source, 'moved'));
      };
      const before = [process.cwd(), readdirSync('/proc/self/fd').length];
      assert.throws(
        () => pack([], [], { [BELOW]: move }),
        (e) => isSwarmtsError(e, 'aborted') && /^'d\/d\/d' was moved while it was read/.test(e.message),
      );
      assert.deepEqual([process.cwd(), readdirSync('/proc/self/fd').length], before);
    });
  });

  it('reads files with holes to their whole length', async () => {
    writeFileSync(join(source, 'sparse'), 'x');
    truncateSync(join(source, 'sparse'), 5_000_000);
    const reader = new TarReader(one(pack()));
    assert.equal((await reader.next())?.size, 5_000_000);
  });
});
