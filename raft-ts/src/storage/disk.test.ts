import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDisk } from '../sim/memory-disk.js';
import { crc32c } from './crc32c.js';
import { type Disk, nodeDisk } from './disk.js';

const disks: [name: string, makeDisk: () => Disk][] = [
  ['the real disk', () => nodeDisk],
  ['the simulated disk', () => new MemoryDisk()],
];

for (const [name, makeDisk] of disks) {
  describe(name, () => {
    let directory: string;
    let disk: Disk;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'raft-disk-'));
      disk = makeDisk();
    });

    afterEach(async () => {
      await rm(directory, { recursive: true });
    });

    const readAll = async (path: string): Promise<string> => {
      return Buffer.from(await disk.read(path, 0, await disk.size(path))).toString();
    };

    it('grows files, cuts them and goes on from there', async () => {
      const path = `${directory}/a`;
      const file = await disk.create(path);
      await file.append(Buffer.from('one '));
      await file.append(Buffer.from('two'));
      await file.sync();
      await file.close();
      assert.equal(await readAll(path), 'one two');
      const again = await disk.openAt(path, 4);
      await again.append(Buffer.from('three'));
      await again.close();
      assert.equal(await readAll(path), 'one three');
      assert.equal(Buffer.from(await disk.read(path, 4, 100)).toString(), 'three');
    });

    it('makes, lists, renames and removes', async () => {
      const inner = `${directory}/inner/deep`;
      await disk.makeDirectory(inner);
      await disk.makeDirectory(inner);
      for (const each of ['a', 'b']) await (await disk.create(`${inner}/${each}`)).close();
      await disk.rename(`${inner}/a`, `${inner}/c`);
      await disk.remove(`${inner}/b`);
      await disk.syncDirectory(inner);
      assert.deepEqual(await disk.list(inner), ['c']);
      await assert.rejects(disk.size(`${inner}/a`));
    });
  });
}

describe('CRC-32C', () => {
  it('has the values of RFC 3720, and can be continued', () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e);
    assert.equal(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), crc32c(Buffer.from('123456789')));
  });
});
