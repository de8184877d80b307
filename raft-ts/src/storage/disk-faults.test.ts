// Everything a disk can do to the log, on real files: cuts, damage, errors, no room.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDisk } from '../sim/memory-disk.js';
import { seededRandom } from '../sim/random.js';
import type { Entry } from '../types.js';
import { type Disk, nodeDisk, openNodeDisk } from './disk.js';
import { DiskLog } from './disk-log.js';
import { FaultyDisk, type Operation } from './faulty-disk.js';

const SEGMENT_BYTES = 16 * 1024;
const confState = { voters: [1, 2, 3], learners: [] };

const entry = (index: number, data: Uint8Array | string, term = 1): Entry => {
  return { index, term, type: 'normal', data: Buffer.from(data) };
};

async function open(directory: string, disk?: Disk, segmentBytes = SEGMENT_BYTES): Promise<DiskLog> {
  return await DiskLog.open({ directory, disk, segmentBytes }, { metadata: Buffer.from('who') });
}

async function append(log: DiskLog, index: number, data: Uint8Array | string = `value ${index}`): Promise<void> {
  await log.write({
    hardState: { term: 1, vote: 1, commit: index - 1 },
    entries: [entry(index, data)],
    mustSync: true,
  });
}

/** Takes a snapshot at the end of the log and lets go of what it covers. */
async function snapshot(log: DiskLog): Promise<void> {
  const metadata = { index: log.storage.lastIndex(), term: 1, confState };
  await log.writeSnapshotFile({ metadata, data: Buffer.from(`state ${metadata.index}`) });
  await log.adoptSnapshot(metadata, 2);
}

async function lastSegment(directory: string): Promise<string> {
  const names = (await readdir(join(directory, 'wal'))).filter((name) => name.endsWith('.wal'));
  return join(directory, 'wal', names.sort().at(-1) ?? '');
}

describe('the log and its disk', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'raft-disk-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  for (const [name, makeDisk] of [
    ['pool', () => nodeDisk],
    ['thread', openNodeDisk],
  ] as const) {
    it(`writes through the ${name} into segments of a fixed size`, async () => {
      const disk = makeDisk();
      const log = await open(directory, disk);
      for (let index = 1; index <= 100; index += 1) {
        await append(log, index, Buffer.alloc(500, index));
        // The next segment is made meanwhile, on the event loop.
        for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(log.counts.syncs, 100);
      await log.close();
      const names = await readdir(join(directory, 'wal'));
      assert.ok(names.filter((each) => each.endsWith('.wal')).length >= 3);
      const sizes = await Promise.all(names.map(async (each) => await disk.size(join(directory, 'wal', each))));
      for (const size of sizes) assert.ok(size >= SEGMENT_BYTES && size < 2 * SEGMENT_BYTES, `${size} bytes`);
      const again = await open(directory, disk);
      assert.equal(again.storage.lastIndex(), 100);
      assert.deepEqual(again.storage.entries(57, 58, 1)[0]?.data, Buffer.alloc(500, 57));
      await append(again, 101);
      await again.close();
      await disk.close?.();
    });
  }

  it('keeps what was written before, at whatever byte of more than 4,096 the tail is cut off', async () => {
    const log = await open(directory, nodeDisk);
    await append(log, 1);
    await append(log, 2);
    await log.close();
    const path = await lastSegment(directory);
    const before = await readFile(path);
    let start = before.length;
    while (before[start - 1] === 0) start -= 1;
    const again = await open(directory, nodeDisk);
    const random = seededRandom(7);
    const data = Buffer.from(Array.from({ length: 4100 }, () => random.below(256)));
    await append(again, 3, data);
    await again.close();
    const content = await readFile(path);
    let end = content.length;
    while (content[end - 1] === 0) end -= 1;
    assert.ok(end - start >= 4096);
    for (let length = start; length <= end; length += 1) {
      const disk = new MemoryDisk();
      await disk.create(path);
      // Every second time the file keeps its size, and what was not written reads as zeros.
      const cut = length % 2 === 0 ? content.subarray(0, length) : Buffer.concat([content.subarray(0, length)], 16384);
      disk.damage(path, cut);
      const reopened = await open(directory, disk);
      assert.equal(reopened.storage.lastIndex(), length === end ? 3 : 2, `cut at ${length} of ${end}`);
      await append(reopened, reopened.storage.lastIndex() + 1, 'after');
      const last = reopened.storage.lastIndex();
      await reopened.close();
      assert.equal((await open(directory, disk)).storage.lastIndex(), last, `written after a cut at ${length}`);
    }
  });

  it('never loses a confirmed entry to any of 1,000 flipped bits: it refuses, and leaves the files as they are', async () => {
    const log = await open(directory, nodeDisk);
    for (let index = 1; index <= 60; index += 1) await append(log, index, Buffer.alloc(500, index));
    await log.close();
    const paths = (await readdir(join(directory, 'wal'))).map((name) => join(directory, 'wal', name));
    const contents = new Map<string, Buffer>();
    for (const path of paths.filter((each) => each.endsWith('.wal'))) contents.set(path, await readFile(path));
    const random = seededRandom(11);
    let refused = 0;
    for (let flip = 1; flip <= 1000; flip += 1) {
      const disk = new MemoryDisk();
      const target = [...contents.keys()][random.below(contents.size)];
      for (const [path, content] of contents) {
        await disk.create(path);
        const copy = Buffer.from(content);
        const bit = random.below(8 * copy.length);
        if (path === target) copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        disk.damage(path, copy);
      }
      const found = new Map([...contents.keys()].map((path) => [path, Buffer.from(disk.contentOf(path))]));
      try {
        // In the room that was reserved a flipped bit does no harm.
        assert.equal((await open(directory, disk)).storage.lastIndex(), 60, `flip ${flip} in ${target}`);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error, `${error}`);
        assert.equal(error.code, 'corrupt');
        for (const [path, content] of found) assert.deepEqual(Buffer.from(disk.contentOf(path)), content);
        refused += 1;
      }
    }
    assert.ok(refused > 500, `${refused} of 1,000`);
  });

  /** Fills segments, takes snapshots, and says what was confirmed. */
  async function workload(disk: Disk, dir: string, confirmed: { index: number }): Promise<void> {
    const log = await open(dir, disk, 2048);
    try {
      for (let index = 1; index <= 24; index += 1) {
        await append(log, index, Buffer.alloc(200, index));
        confirmed.index = index;
        if (index % 8 === 0) await snapshot(log);
      }
    } catch (error) {
      // After a failure nothing is accepted any more.
      await assert.rejects(append(log, confirmed.index + 1), { code: 'io' });
      throw error;
    } finally {
      await log.close();
    }
  }

  for (const operation of ['write', 'sync'] as const satisfies readonly Operation[]) {
    it(`stops for good at an EIO in any ${operation}, and loses nothing confirmed`, async () => {
      const counting = new FaultyDisk(nodeDisk);
      await workload(counting, join(directory, 'none'), { index: 0 });
      const total = counting.counts[operation];
      assert.ok(total > 30, `${total} of kind ${operation}`);
      let failures = 0;
      for (let at = 1; at <= total; at += 1) {
        const dir = join(directory, `${at}`);
        const confirmed = { index: 0 };
        try {
          await workload(new FaultyDisk(nodeDisk, { operation, at, code: 'EIO' }), dir, confirmed);
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error && error.code === 'io', `${operation} ${at}: ${error}`);
          failures += 1;
        }
        const log = await open(dir, nodeDisk, 2048);
        const last = log.storage.lastIndex();
        assert.ok(last === confirmed.index || last === confirmed.index + 1, `${operation} ${at}: ${last}`);
        const index = log.snapshotIndex;
        if (index > 0) assert.equal(`${Buffer.from((await log.readSnapshot())?.data ?? [])}`, `state ${index}`);
        await log.close();
      }
      // Only what is made in advance for a segment that is never begun may fail unseen.
      assert.ok(failures >= total - 3, `${failures} of ${total}`);
    });
  }

  for (const base of ['reserving', 'growing'] as const) {
    it(`takes no more on a full ${base} disk, loses nothing, and goes on when there is room`, async () => {
      const { openReserved: _, ...growing } = nodeDisk;
      const disk = new FaultyDisk(base === 'reserving' ? nodeDisk : growing);
      const log = await open(directory, disk, 4096);
      await append(log, 1);
      disk.quotaBytes = disk.usedBytes + 2000;
      let index = 1;
      const fill = async (): Promise<void> => {
        for (;;) {
          await append(log, index + 1, Buffer.alloc(300, index));
          index += 1;
        }
      };
      await assert.rejects(fill(), { code: 'no-space', retryable: true });
      const full = index;
      assert.ok(full > 2);
      await assert.rejects(append(log, full + 1, Buffer.alloc(300, full)), { code: 'no-space' }, 'still full');
      disk.quotaBytes = disk.usedBytes;
      await assert.rejects(snapshot(log), { code: 'no-space' });
      assert.equal(log.storage.lastIndex(), full);
      assert.ok((await readdir(join(directory, 'snap'))).length === 0, 'nothing is left of a snapshot without room');
      disk.quotaBytes = Number.POSITIVE_INFINITY;
      for (; index < full + 40; index += 1) {
        log.askForRoom();
        await append(log, index + 1, Buffer.alloc(300, index));
      }
      assert.ok(!log.isRunningOut);
      await snapshot(log);
      await log.close();
      const again = await open(directory, nodeDisk, 4096);
      assert.equal(again.storage.lastIndex(), full + 40);
      await again.close();
    });
  }

  it('says that it runs out before it is full', async () => {
    const disk = new FaultyDisk(nodeDisk);
    disk.quotaBytes = 8192;
    const log = await open(directory, disk, 8192);
    let index = 0;
    for (; index < 60; index += 1) await append(log, index + 1, Buffer.alloc(60));
    // Room for the next segment was asked for when this one began; the answer comes in its own time.
    while (!log.isRunningOut) {
      log.askForRoom();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await append(log, index + 1, Buffer.alloc(60));
    disk.quotaBytes = Number.POSITIVE_INFINITY;
    while (log.isRunningOut) {
      log.askForRoom();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await log.close();
  });

  it('opens on a full disk', async () => {
    const log = await open(directory, nodeDisk);
    await append(log, 1);
    await log.close();
    const disk = new FaultyDisk(nodeDisk);
    disk.quotaBytes = 0;
    const again = await open(directory, disk);
    assert.equal(again.storage.lastIndex(), 1);
    await assert.rejects(append(again, 2), { code: 'no-space' });
    await again.close();
  });

  it('has a directory for itself', async () => {
    const log = await open(directory);
    await assert.rejects(open(directory), { code: 'locked' });
    await log.close();
    const again = await open(directory);
    await again.close();
    assert.deepEqual((await readdir(directory)).sort(), ['snap', 'wal']);
  });

  it('takes a directory over from a process that was killed', async () => {
    const script = `
      import { DiskLog } from ${JSON.stringify(new URL('./disk-log.js', import.meta.url).href)};
      await DiskLog.open({ directory: process.argv[1] }, { metadata: Buffer.from('who') });
      console.log('open');
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(open(directory), { code: 'locked' });
    child.kill('SIGSTOP');
    await assert.rejects(open(directory), { code: 'locked' }, 'a process that is stopped lives');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.ok((await readdir(directory)).some((name) => name.startsWith('lock.')));
    const log = await open(directory);
    await log.close();
    assert.deepEqual((await readdir(directory)).sort(), ['snap', 'wal']);
  });

  it('refuses a log that was cut where it had been synced', async () => {
    const log = await open(directory, nodeDisk);
    for (let index = 1; index <= 80; index += 1) await append(log, index, Buffer.alloc(500, index));
    await log.close();
    const names = (await readdir(join(directory, 'wal'))).filter((name) => name.endsWith('.wal')).sort();
    const copy = join(directory, 'copy');
    for (const name of names.slice(0, -1)) {
      await cp(join(directory, 'wal'), join(copy, 'wal'), { recursive: true });
      await truncate(join(copy, 'wal', name), 5000);
      await assert.rejects(open(copy, nodeDisk), { code: 'corrupt' });
      await rm(copy, { recursive: true });
    }
  });
});
