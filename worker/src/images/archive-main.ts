/**
 * The child process that takes an image archive apart: `archive-main.js ARCHIVE DIRECTORY`. Every regular file becomes
 * `DIRECTORY/<n>` and a line in `DIRECTORY/entries.json`; links are listed, not made. Names from the archive are never used
 * as paths, so a hostile archive has nothing to write through.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import { endWith } from '../snapshots/child-report.js';
import { decompressed } from '../snapshots/decompress.js';
import { dieWithParent } from '../snapshots/die-with-parent.js';
import { DiskBudget } from '../snapshots/disk-budget.js';
import { TarReader } from '../snapshots/tar-reader.js';
import type { UnpackReport } from '../snapshots/unpack-report.js';
import type { ArchiveEntry } from './archive-contents.js';

/** Far above any real image (three entries per layer), far below what would hurt. */
const MAX_ENTRIES = 10_000;
/** As of the kernel's paths. */
const MAX_NAME_BYTES = 4096;
const READ_BYTES = 256 << 10;

async function extract(archive: string, directory: string): Promise<UnpackReport> {
  mkdirSync(directory, 0o700);
  const tar = new TarReader(decompressed(createReadStream(archive, { highWaterMark: READ_BYTES })));
  const entries: ArchiveEntry[] = [];
  let sizeBytes = 0;
  const budget = new DiskBudget(directory);
  for (let h = await tar.next(); h; h = await tar.next()) {
    if (entries.length >= MAX_ENTRIES)
      throw new SwarmtsError('corrupt', `archive with more than ${MAX_ENTRIES} entries`);
    if (h.name.length > MAX_NAME_BYTES || h.linkName.length > MAX_NAME_BYTES)
      throw new SwarmtsError('corrupt', `archive with a name of more than ${MAX_NAME_BYTES} bytes`);
    const name = Buffer.from(h.name, 'latin1')
      .toString('utf8')
      .replace(/^(\.?\/)+/, '');
    if (h.type === 'symlink' || h.type === 'hardlink') {
      entries.push({ name, link: Buffer.from(h.linkName, 'latin1').toString('utf8'), symbolic: h.type === 'symlink' });
    } else if (h.type === 'file') {
      const file = String(entries.length);
      budget.entry(name, h.size);
      entries.push({ name, file, size: h.size, digest: await copyOut(tar, join(directory, file), budget) });
      sizeBytes += h.size;
    }
  }
  writeFileSync(join(directory, 'entries.json'), JSON.stringify(entries));
  return { ok: true, sizeBytes };
}

async function copyOut(tar: TarReader, path: string, budget: DiskBudget): Promise<string> {
  const hash = createHash('sha256');
  const fd = openSync(path, 'wx', 0o600);
  try {
    await tar.readBody((chunk) => {
      hash.update(chunk);
      budget.written(chunk.length);
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
    });
  } finally {
    closeSync(fd);
  }
  return `sha256:${hash.digest('hex')}`;
}

function failure(e: unknown): UnpackReport {
  const full = errnoOf(e) === 'ENOSPC' || errnoOf(e) === 'EDQUOT';
  const code = isSwarmtsError(e) ? e.code : full ? 'no-space' : 'internal';
  return { ok: false, code, message: full ? `no space left on device: ${messageOf(e)}` : messageOf(e) };
}

dieWithParent();
const [archive = '', directory = ''] = process.argv.slice(2);
const report = await extract(archive, directory).catch(failure);
endWith(report);
