import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack, unpack } from './local-archive.js';

describe('archives of what is here', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-archive-'));
    mkdirSync(join(dir, 'src', 'deep'), { recursive: true });
    writeFileSync(join(dir, 'src', 'a'), 'one');
    linkSync(join(dir, 'src', 'a'), join(dir, 'src', 'deep', 'b'));
    symlinkSync('src/a', join(dir, 'src', 'link'));
    mkdirSync(join(dir, 'to'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const packed = async (newName: string): Promise<Buffer> => {
    let archive = Buffer.alloc(0);
    await pack(dir, 'src', { newName, followLinks: false }, async (stream) => {
      archive = await buffer(stream);
    });
    return archive;
  };
  function checkTree(name: string): void {
    const tree = join(dir, 'to', name);
    assert.equal(statSync(join(tree, 'a')).ino, statSync(join(tree, 'deep', 'b')).ino);
    assert.equal(readFileSync(join(tree, 'deep', 'b'), 'utf8'), 'one');
    assert.throws(() => statSync(join(tree, 'link')), /ENOENT/, 'what a symbolic link says is left alone');
  }

  it('keep hard links under a new name', async () => {
    await unpack(join(dir, 'to'), { from: 'other', to: 'other' }, Readable.from([await packed('other')]));
    checkTree('other');
    await unpack(join(dir, 'to'), { from: 'src', to: 'renamed' }, Readable.from([await packed('src')]));
    checkTree('renamed');
  });

  it('fail when not everything could be packed', async () => {
    let ended = false;
    const sent = pack(dir, 'nope', { newName: 'nope', followLinks: false }, async (stream) => {
      await buffer(stream);
      ended = true;
    });
    await assert.rejects(sent, /not everything of nope was copied: tar ended with code 2/);
    assert.ok(ended);
  });

  it('fail with the error of whoever is to take them, while tar still packs', async () => {
    writeFileSync(join(dir, 'src', 'large'), Buffer.alloc(4 << 20));
    const refused = pack(dir, 'src', { newName: 'src', followLinks: false }, async () => {
      throw new Error('no such container');
    });
    await assert.rejects(refused, /no such container/);
  });

  it('fail when they break off, even between two entries', async () => {
    const archive = await packed('src');
    const broken = Readable.from(
      (function* () {
        yield archive.subarray(0, 1024);
        throw new Error('aborted');
      })(),
    );
    await assert.rejects(unpack(join(dir, 'to'), { from: 'src', to: 'src' }, broken), /broke off.*aborted/);
  });
});
