/**
 * The child process that writes layers: packs an upper directory (`pack`), or unwraps an archive that somebody sent
 * (`plain`), into a plain tar archive with its digest; `gzip` compresses one for a registry.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { readRequest, reportFrom } from './child-report.js';
import { decompressed } from './decompress.js';
import { dieWithParent } from './die-with-parent.js';
import { DiskBudget } from './disk-budget.js';
import type { PackedLayer, PackRequest } from './pack-request.js';
import { packTree } from './pack-tree.js';
import { byteString } from './scoped-path.js';
import { TarReader } from './tar-reader.js';
import { TarWriter } from './tar-writer.js';

const WRITE_BYTES = 1 << 20;
const READ_BYTES = 256 << 10;
/** As Docker's: most of the gain for a fraction of the time. */
const GZIP_LEVEL = 6;

/** Collects small writes; hashes everything that goes to the file. */
class HashedFile {
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  size = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600);
  }

  write(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    // The chunk may be a buffer that its owner uses again.
    this.#pending.push(Buffer.from(chunk));
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= WRITE_BYTES) this.#flush();
  }

  close(): string {
    this.#flush();
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
    return `sha256:${this.#hash.digest('hex')}`;
  }

  #flush(): void {
    const all = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    for (let at = 0; at < all.length; ) at += writeSync(this.#fd, all, at, all.length - at);
  }
}

async function work(r: PackRequest): Promise<PackedLayer> {
  if (r.kind === 'gzip') return compress(r.source, r.target);
  const file = new HashedFile(r.target);
  if (r.kind === 'pack') {
    const tar = new TarWriter((chunk) => file.write(chunk), r.ids);
    const emptyMounts = new Set(r.emptyMounts.map(byteString));
    const packed = packTree(byteString(r.source), tar, {
      upper: true,
      emptyMounts,
      lower: r.lower.map(byteString),
    });
    tar.finish();
    return { ...packed, digest: file.close(), size: file.size };
  }
  let entries = 0;
  const budget = new DiskBudget(dirname(r.target));
  const source = decompressed(createReadStream(r.source, { highWaterMark: READ_BYTES }));
  const tar = new TarReader(
    tee(source, (chunk) => {
      budget.written(chunk.length);
      file.write(chunk);
    }),
  );
  for (let h = await tar.next(); h; h = await tar.next(), entries++) budget.entry(h.name, h.size);
  await tar.drain();
  return { entries, sizeBytes: 0, digest: file.close(), size: file.size };
}

async function* tee(source: AsyncIterable<Buffer>, sink: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    sink(chunk);
    yield chunk;
  }
}

async function compress(source: string, target: string): Promise<PackedLayer> {
  const hash = createHash('sha256');
  let size = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  const plain = Readable.from(decompressed(createReadStream(source, { highWaterMark: READ_BYTES })));
  await pipeline(
    plain,
    createGzip({ level: GZIP_LEVEL }),
    counted,
    createWriteStream(target, { flags: 'wx', mode: 0o600, flush: true }),
  );
  return { entries: 0, sizeBytes: 0, digest: `sha256:${hash.digest('hex')}`, size };
}

dieWithParent();
await reportFrom(async () => work(await readRequest<PackRequest>()));
