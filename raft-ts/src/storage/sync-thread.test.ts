import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SyncThread } from './sync-thread.js';

describe("the log's thread", () => {
  let directory: string;
  let file: FileHandle;
  let thread: SyncThread;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'raft-sync-'));
    file = await open(join(directory, 'file'), 'w+');
    thread = new SyncThread();
  });

  afterEach(async () => {
    await thread.close();
    await file.close();
    await rm(directory, { recursive: true });
  });

  it('writes small and large, in the order in which it was asked', async () => {
    const sizes = [1, 2048, 2049, 100_000, 0, 3 * 1024 * 1024 + 17, 5];
    const expected = Buffer.concat(sizes.map((size, at) => Buffer.alloc(size, at + 1)));
    let position = 0;
    await Promise.all(
      sizes.map(async (size, at) => {
        const from = position;
        position += size;
        await thread.write(file.fd, from, Buffer.alloc(size, at + 1), true);
      }),
    );
    assert.deepEqual(await readFile(join(directory, 'file')), expected);
  });

  it('writes beyond 4 GiB', async () => {
    const position = 5 * 2 ** 30 + 3;
    await thread.write(file.fd, position, Buffer.from('far'), true);
    const bytes = Buffer.alloc(3);
    await file.read(bytes, 0, 3, position);
    assert.equal(bytes.toString(), 'far');
  });

  it('says what the disk has refused, and serves the next request', async () => {
    await assert.rejects(thread.write(9999, 0, Buffer.from('x'), true), { code: 'io', message: /EBADF/ });
    await assert.rejects(thread.write(9999, 0, Buffer.alloc(100_000), true), { code: 'io', message: /EBADF/ });
    await thread.write(file.fd, 0, Buffer.from('ok'), true);
    assert.equal((await readFile(join(directory, 'file'))).toString(), 'ok');
  });

  it('takes a full disk for what it is', async () => {
    const full = await open('/dev/full', 'w');
    try {
      await assert.rejects(thread.write(full.fd, 0, Buffer.from('x'), true), { code: 'no-space' });
    } finally {
      await full.close();
    }
  });

  it('does not wait for anything else that the process does with files', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // It is at work: its own code is read like any other file.
    await thread.write(file.fd, 0, Buffer.from('x'), true);
    // Each of these keeps a thread of libuv's pool until somebody opens the other end.
    const poolSize = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
    const blocked = Array.from({ length: poolSize }, async () => await open(pipe, 'r'));
    try {
      for (let count = 0; count < 10; count += 1) await thread.write(file.fd, count, Buffer.alloc(1, count), true);
      await thread.write(file.fd, 10, Buffer.alloc(100_000), true);
    } finally {
      const otherEnd = openSync(pipe, 'r+');
      for (const handle of await Promise.all(blocked)) await handle.close();
      closeSync(otherEnd);
    }
  });

  it('refuses when it has ended', async () => {
    await thread.close();
    await assert.rejects(thread.write(file.fd, 0, Buffer.from('x'), true), /thread ended/);
  });
});
