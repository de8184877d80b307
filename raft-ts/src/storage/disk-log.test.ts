import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { MemoryDisk } from '../sim/memory-disk.js';
import { seededRandom } from '../sim/random.js';
import type { Entry, HardState, SnapshotMetadata } from '../types.js';
import { DiskLog, type DiskLogOptions } from './disk-log.js';
import type { Encryptor } from './encryption.js';

const DIRECTORY = '/log';
const WAL = `${DIRECTORY}/wal`;

const entry = (index: number, term: number, text = `${index}@${term}`): Entry => {
  return { index, term, type: 'normal', data: Buffer.from(text) };
};
const run = (from: number, to: number, term: number, text?: string): Entry[] => {
  return Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, term, text));
};
const hard = (term: number, commit: number, vote = 1): HardState => ({ term, vote, commit });
const metadataAt = (index: number, term: number): SnapshotMetadata => {
  return { index, term, confState: { voters: [1, 2, 3], learners: [4] } };
};

async function open(disk: MemoryDisk, options: Partial<DiskLogOptions> = {}): Promise<DiskLog> {
  return await DiskLog.open({ directory: DIRECTORY, disk, ...options }, { metadata: Buffer.from('who') });
}

/** Everything that must survive, in comparable form. */
function stateOf(log: DiskLog): object {
  const { storage } = log;
  const [first, last] = [storage.firstIndex(), storage.lastIndex()];
  const entries = first <= last ? storage.entries(first, last + 1, Number.MAX_VALUE) : [];
  return {
    ...{ metadata: Buffer.from(log.metadata).toString(), ...storage.initialState() },
    ...{ snapshot: storage.snapshot(), before: storage.term(first - 1) },
    entries: entries.map(({ index, term, type, data }) => [index, term, type, Buffer.from(data).toString()]),
  };
}

function segments(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.startsWith(`${WAL}/`));
}

function lastSegment(disk: MemoryDisk): string {
  const last = segments(disk).at(-1);
  assert.ok(last);
  return last;
}

/** AES-256-GCM with a random nonce. */
function aes(key: Uint8Array): Encryptor {
  return {
    seal(plain) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    },
  };
}

describe('the log on disk', () => {
  it('gives back after a reopening what was written', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ hardState: hard(1, 0), entries: run(1, 5, 1), mustSync: true });
    await log.write({ hardState: hard(2, 3, 2), entries: run(4, 6, 2), mustSync: true });
    const before = stateOf(log);
    await log.close();
    assert.deepEqual(stateOf(await open(disk)), before);
    assert.deepEqual(log.storage.entries(4, 7, Number.MAX_VALUE), run(4, 6, 2));
  });

  it('goes over several segments and releases those that a snapshot covers', async () => {
    const disk = new MemoryDisk();
    let log = await open(disk, { segmentBytes: 400 });
    for (let index = 1; index <= 50; index += 1) {
      await log.write({ hardState: hard(1, index), entries: run(index, index, 1), mustSync: true });
    }
    const count = segments(disk).length;
    assert.ok(count > 5);
    await log.writeSnapshotFile({ metadata: metadataAt(45, 1), data: Buffer.from('state') });
    await log.adoptSnapshot(metadataAt(45, 1), 10);
    assert.equal(log.storage.firstIndex(), 36);
    assert.ok(segments(disk).length < count);
    await log.write({ entries: run(51, 80, 1), mustSync: true });
    await log.close();
    log = await open(disk, { segmentBytes: 400 });
    assert.equal(log.storage.lastIndex(), 80);
    assert.deepEqual(log.storage.snapshot(), metadataAt(45, 1));
    assert.ok(log.storage.firstIndex() <= 46);
    assert.equal(Buffer.from((await log.readSnapshot())?.data ?? []).toString(), 'state');
    assert.equal(Buffer.from(log.metadata).toString(), 'who');
  });

  it('starts anew from a snapshot of the leader', async () => {
    const disk = new MemoryDisk();
    let log = await open(disk);
    await log.write({ hardState: hard(1, 2), entries: run(1, 9, 1), mustSync: true });
    const snapshot = { metadata: metadataAt(100, 3), data: Buffer.from('big') };
    await log.write({ hardState: hard(3, 100), snapshot, entries: run(101, 102, 3), mustSync: true });
    await log.close();
    log = await open(disk);
    assert.deepEqual([log.storage.firstIndex(), log.storage.lastIndex(), log.storage.term(100)], [101, 102, 3]);
    assert.equal(Buffer.from((await log.readSnapshot())?.data ?? []).toString(), 'big');
  });

  it('reads a log whose first segment left begins with entries that were replaced later', async () => {
    const disk = new MemoryDisk();
    let log = await open(disk, { segmentBytes: 300 });
    await log.write({ entries: run(1, 20, 1), mustSync: true });
    await log.write({ entries: run(21, 22, 1), mustSync: true });
    await log.write({ hardState: hard(2, 17), entries: run(18, 30, 2), mustSync: true });
    await log.writeSnapshotFile({ metadata: metadataAt(25, 2), data: Buffer.from('s') });
    await log.adoptSnapshot(metadataAt(25, 2), 0);
    await log.close();
    log = await open(disk, { segmentBytes: 300 });
    assert.deepEqual(log.storage.entries(26, 31, Number.MAX_VALUE), run(26, 30, 2));
  });

  it('keeps so many old snapshots as it is asked to, also when it is opened again', async () => {
    const disk = new MemoryDisk();
    const files = () => disk.list(`${DIRECTORY}/snap`);
    const options = { keptOldSnapshots: 2 };
    let log = await open(disk, options);
    await log.write({ entries: run(1, 60, 1), mustSync: true });
    const take = async (index: number): Promise<void> => {
      await log.writeSnapshotFile({ metadata: metadataAt(index, 1), data: Buffer.from(`${index}`) });
      await log.adoptSnapshot(metadataAt(index, 1), 0);
    };
    for (const index of [10, 20, 30, 40]) await take(index);
    assert.equal((await files()).length, 3);
    await log.close();
    log = await open(disk, options);
    assert.equal((await files()).length, 3);
    assert.equal(Buffer.from((await log.readSnapshot())?.data ?? []).toString(), '40');
    log.keptOldSnapshots = 0;
    await take(50);
    assert.equal((await files()).length, 1);
  });

  it('keeps large snapshots in chunks', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk, { encryptor: aes(randomBytes(32)) });
    const data = randomBytes(3 * 1024 * 1024 + 17);
    await log.write({ entries: run(1, 1, 1), mustSync: true });
    await log.writeSnapshotFile({ metadata: metadataAt(1, 1), data });
    await log.adoptSnapshot(metadataAt(1, 1), 0);
    assert.deepEqual(Buffer.from((await log.readSnapshot())?.data ?? []), data);
  });
});

describe('the log after a crash', () => {
  it('drops a batch that was cut short, at whatever byte', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ hardState: hard(1, 0), entries: run(1, 3, 1), mustSync: true });
    const before = stateOf(log);
    const complete = disk.contentOf(lastSegment(disk)).length;
    await log.write({ hardState: hard(2, 3), entries: run(3, 5, 2), mustSync: true });
    const after = stateOf(log);
    const content = disk.contentOf(lastSegment(disk));
    for (let length = complete; length <= content.length; length += 1) {
      const cut = disk.clone();
      cut.damage(lastSegment(cut), content.slice(0, length));
      const reopened = await open(cut);
      assert.deepEqual(stateOf(reopened), length === content.length ? after : before, `cut at ${length}`);
      await reopened.write({ entries: run(4, 4, 3), mustSync: true });
      await reopened.close();
      assert.equal((await open(cut)).storage.term(4), 3, `written again after a cut at ${length}`);
    }
  });

  it('drops a batch of which sectors were not written', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ entries: run(1, 3, 1), mustSync: true });
    const before = stateOf(log);
    const complete = disk.contentOf(lastSegment(disk)).length;
    await log.write({ entries: run(4, 9, 1, 'x'.repeat(300)), mustSync: true });
    const content = disk.contentOf(lastSegment(disk));
    for (let sector = 512 * Math.ceil(complete / 512); sector < content.length; sector += 512) {
      const hole = disk.clone();
      hole.damage(lastSegment(hole), content.slice().fill(0, sector, sector + 512));
      assert.deepEqual(stateOf(await open(hole)), before, `hole at ${sector}`);
    }
  });

  it('refuses any flipped bit in what was synced', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ hardState: hard(1, 0), entries: run(1, 2, 1), mustSync: true });
    const synced = disk.contentOf(lastSegment(disk)).length;
    await log.write({ hardState: hard(1, 1), entries: run(3, 3, 1), mustSync: true });
    const content = disk.contentOf(lastSegment(disk));
    for (let bit = 0; bit < 8 * synced; bit += 1) {
      const damaged = content.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const copy = disk.clone();
      copy.damage(lastSegment(copy), damaged);
      await assert.rejects(open(copy), { name: 'RaftError', code: 'corrupt' }, `bit ${bit} of ${8 * synced}`);
    }
  });

  it('refuses zeros in what was synced, although a crash could leave such behind a write', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ entries: run(1, 9, 1, 'x'.repeat(300)), mustSync: true });
    await log.write({ entries: run(10, 10, 1), mustSync: true });
    disk.damage(lastSegment(disk), disk.contentOf(lastSegment(disk)).slice().fill(0, 512, 1024));
    await assert.rejects(open(disk), { code: 'corrupt' });
  });

  it('drops the end, zeros included, if only unsynced batches follow the hole', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ entries: run(1, 2, 1), mustSync: true });
    const complete = disk.contentOf(lastSegment(disk)).length;
    await log.write({ hardState: hard(1, 1), entries: run(3, 3, 1, 'x'.repeat(2000)), mustSync: false });
    await log.write({ hardState: hard(1, 2), mustSync: false });
    const hole = 512 * Math.ceil(complete / 512);
    disk.damage(
      lastSegment(disk),
      disk
        .contentOf(lastSegment(disk))
        .slice()
        .fill(0, hole, hole + 512),
    );
    assert.equal((await open(disk)).storage.lastIndex(), 2);
  });

  it('refuses a segment that is missing, damaged or exchanged', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk, { segmentBytes: 300 });
    for (let index = 1; index <= 20; index += 1) await log.write({ entries: run(index, index, 1), mustSync: true });
    const [first, second, third] = segments(disk);
    assert.ok(first && second && third);
    const spoil: ((copy: MemoryDisk) => void)[] = [
      (copy) => copy.damage(second, copy.contentOf(second).slice(0, -1)),
      (copy) => copy.damage(second, copy.contentOf(third)),
      (copy) => copy.damage(second, new Uint8Array(0)),
    ];
    for (const each of spoil) {
      const copy = disk.clone();
      each(copy);
      await assert.rejects(open(copy), { code: 'corrupt' });
    }
    const copy = disk.clone();
    await copy.remove(second);
    await assert.rejects(open(copy), { code: 'corrupt' });
  });

  it('refuses a snapshot file that is missing or damaged', async () => {
    const disk = new MemoryDisk();
    const log = await open(disk);
    await log.write({ entries: run(1, 9, 1), mustSync: true });
    await log.writeSnapshotFile({ metadata: metadataAt(8, 1), data: Buffer.from('state') });
    await log.adoptSnapshot(metadataAt(8, 1), 0);
    const path = disk.paths().find((each) => each.endsWith('.snap'));
    assert.ok(path);
    const content = disk.contentOf(path);
    for (let at = 0; at < content.length; at += 1) {
      const copy = disk.clone();
      const damaged = content.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      copy.damage(path, damaged);
      await assert.rejects((await open(copy)).readSnapshot(), { code: 'corrupt' }, `byte ${at}`);
    }
    await disk.remove(path);
    await assert.rejects((await open(disk)).readSnapshot(), { code: 'corrupt' });
  });

  it('is never without a usable snapshot, wherever the power fails while one is taken', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = seededRandom(seed);
      let steps = random.below(25);
      const disk = new MemoryDisk();
      let log = await open(disk, { segmentBytes: 300 });
      for (let index = 1; index <= 20; index += 1) await log.write({ entries: run(index, index, 1), mustSync: true });
      await log.writeSnapshotFile({ metadata: metadataAt(10, 1), data: Buffer.from('old') });
      await log.adoptSnapshot(metadataAt(10, 1), 2);
      await log.close();
      // From here on the power fails after some number of operations.
      const dying = disk.crash(random, {
        schedule: (_operation, done) => {
          steps -= 1;
          if (steps >= 0) done();
        },
      });
      const work = async (): Promise<void> => {
        const opened = await open(dying, { segmentBytes: 300 });
        await opened.writeSnapshotFile({ metadata: metadataAt(18, 1), data: Buffer.from('new') });
        await opened.adoptSnapshot(metadataAt(18, 1), 2);
      };
      await Promise.race([work(), new Promise((resolve) => setImmediate(resolve))]);
      log = await open(dying.crash(random, {}));
      const snapshot = await log.readSnapshot();
      const text = Buffer.from(snapshot?.data ?? []).toString();
      assert.equal(text, snapshot?.metadata.index === 10 ? 'old' : 'new', `seed ${seed}`);
      assert.equal(log.storage.lastIndex(), 20, `seed ${seed}`);
    }
  });

  it('holds every batch that was confirmed, and at most one more', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 12 }), async (seed, sizes) => {
        const random = seededRandom(seed);
        let isDying = false;
        const options = {
          schedule: (_operation: string, done: () => void): void => {
            if (!isDying) done();
          },
        };
        const disk = new MemoryDisk(options);
        const log = await open(disk, { segmentBytes: 500 });
        let confirmed = 0;
        for (const size of sizes) {
          const next = run(confirmed + 1, confirmed + size, 1);
          await log.write({ hardState: hard(1, confirmed), entries: next, mustSync: true });
          confirmed += size;
        }
        isDying = true;
        const lost = log.write({ entries: run(confirmed + 1, confirmed + 4, 1), mustSync: true });
        await Promise.race([lost, new Promise((resolve) => setImmediate(resolve))]);
        const reopened = await open(disk.crash(random, {}), { segmentBytes: 500 });
        assert.ok([confirmed, confirmed + 4].includes(reopened.storage.lastIndex()));
      }),
      { numRuns: 50 },
    );
  });
});

describe('the log whose disk fails', () => {
  for (const operation of ['write', 'sync'] as const) {
    it(`accepts nothing any more after a failed ${operation}`, async () => {
      const disk = new MemoryDisk();
      const log = await open(disk);
      const cause = Object.assign(new Error('i/o error'), { code: 'EIO' });
      disk.failNext(operation, cause);
      const write = { entries: run(1, 1, 1), mustSync: true };
      await assert.rejects(log.write(write), { code: 'io', cause });
      await assert.rejects(log.write(write), { code: 'io' });
      await assert.rejects(log.adoptSnapshot(metadataAt(1, 1), 0), { code: 'io' });
      assert.equal(log.storage.lastIndex(), 0, 'memory does not show what is not written');
    });
  }
});

describe('encryption at rest', () => {
  it('leaves no plain text on the disk, and gives it back', async () => {
    const disk = new MemoryDisk();
    const encryptor = aes(randomBytes(32));
    const log = await open(disk, { encryptor });
    await log.write({ entries: run(1, 3, 1, 'top secret'), mustSync: true });
    await log.writeSnapshotFile({ metadata: metadataAt(2, 1), data: Buffer.from('top secret') });
    await log.adoptSnapshot(metadataAt(2, 1), 1);
    for (const path of disk.paths()) assert.ok(!Buffer.from(disk.contentOf(path)).includes('secret'), path);
    await log.close();
    const reopened = await open(disk, { encryptor });
    assert.deepEqual(reopened.storage.entries(3, 4, Number.MAX_VALUE), run(3, 3, 1, 'top secret'));
    assert.equal(Buffer.from((await reopened.readSnapshot())?.data ?? []).toString(), 'top secret');
    await assert.rejects(open(disk, { encryptor: aes(randomBytes(32)) }), { code: 'corrupt' });
  });
});
