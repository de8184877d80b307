/**
 * The child process that unpacks one layer: `unpack-main.js BLOB DIRECTORY DIFF-ID [ID-MAPS]`. It prints one line of JSON, an
 * UnpackReport, and exits 0 whenever it could say what happened. Everything heavy about layers happens here, away from
 * the daemon's event loop.
 */
import { createHash } from 'node:crypto';
import { chownSync, closeSync, createReadStream, mkdirSync, openSync } from 'node:fs';
import { errnoOf, isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import { endWith } from './child-report.js';
import { decompressed } from './decompress.js';
import { dieWithParent } from './die-with-parent.js';
import { applyLayer } from './layer-applier.js';
import { syncfs } from './posix-calls.js';
import { TarReader } from './tar-reader.js';
import type { UnpackReport } from './unpack-report.js';

const READ_BYTES = 256 << 10;

async function unpack(blob: string, directory: string, diffId: string, ids?: IdMaps): Promise<UnpackReport> {
  process.umask(0);
  mkdirSync(directory, 0o755);
  const root = ownerOnHost(ids, ROOT);
  chownSync(directory, root.uid, root.gid);
  const hash = createHash('sha256');
  const plain = hashed(decompressed(createReadStream(blob, { highWaterMark: READ_BYTES })), (c) => hash.update(c));
  const tar = new TarReader(plain);
  const { sizeBytes } = await applyLayer(directory, tar, { ids });
  await tar.drain();
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== diffId)
    throw new SwarmtsError('corrupt', `layer content is ${actual}, the image config says ${diffId}`);
  syncDirectory(directory);
  return { ok: true, sizeBytes };
}

async function* hashed(source: AsyncIterable<Buffer>, update: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    update(chunk);
    yield chunk;
  }
}

/** The layer is about to get its final name: after a power failure it must be whole or absent. */
function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    syncfs(fd);
  } finally {
    closeSync(fd);
  }
}

function failure(e: unknown): UnpackReport {
  const errno = errnoOf(e);
  const code = isSwarmtsError(e) ? e.code : errno === 'ENOSPC' || errno === 'EDQUOT' ? 'no-space' : 'internal';
  const message = code === 'no-space' ? `no space left on device: ${messageOf(e)}` : messageOf(e);
  return { ok: false, code, message };
}

dieWithParent();
const [blob = '', directory = '', diffId = '', maps] = process.argv.slice(2);
// The daemon wrote it; see layer-store.ts.
const ids = maps === undefined ? undefined : (JSON.parse(maps) as IdMaps);
const report = await unpack(blob, directory, diffId, ids).catch(failure);
endWith(report);
