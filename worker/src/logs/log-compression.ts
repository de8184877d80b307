/**
 * Compressed files of a log. Each begins with the identity of the file that it was made of, in a field of gzip's header, so that a reader
 * knows it for that one; `zcat` reads them as well. Made beside the file and put in place with one rename: whenever this dies, one of both
 * is whole, and where both are there they have the same identity.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { SwarmtsError } from '@swarmts/lib';

export const COMPRESSED = '.gz';
/** What is not whole yet. */
export const UNFINISHED = '.part';

/** Of gzip's header without optional fields (RFC 1952); nothing after it depends on what is in there. */
const PLAIN_HEADER_BYTES = 10;
/** gzip, deflate, with an extra field, no time, Unix. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3]);
/** Our subfield of the extra field. */
const SUBFIELD = 'st';
const MAX_IDENTITY_BYTES = 128;
const READ_BYTES = 64 << 10;
const FIELD_AT = HEADER.length;
const IDENTITY_AT = FIELD_AT + 2 + SUBFIELD.length + 2;

/** Compresses a file that nobody writes into any more, and removes it. */
export async function compressLogFile(path: string): Promise<void> {
  const unfinished = path + UNFINISHED;
  const from = await open(path, 'r');
  try {
    const to = await open(unfinished, 'w', 0o640);
    try {
      await to.writeFile(headerOf(await identityOf(from)));
      await pipeline(contentOf(from), createGzip(), withoutHeader, into(to));
      await to.sync();
    } finally {
      await to.close();
    }
    await rename(unfinished, path + COMPRESSED);
    await rm(path);
  } finally {
    await from.close();
    await rm(unfinished, { force: true });
  }
}

/** What a file keeps when it is renamed. Numbers of inodes are used again, so its birth is part of it. */
export async function identityOf(file: FileHandle): Promise<string> {
  return formatIdentity(await file.stat({ bigint: true }));
}

export function formatIdentity(s: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${s.ino}@${s.birthtimeNs}`;
}

/** The identity of the file that a compressed one was made of. Throws 'corrupt' for one that we have not made. */
export async function originalIdentity(file: FileHandle, path: string): Promise<string> {
  const head = Buffer.alloc(IDENTITY_AT + MAX_IDENTITY_BYTES);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  const length = bytesRead < IDENTITY_AT ? 0 : head.readUInt16LE(IDENTITY_AT - 2);
  const isOurs =
    head.subarray(0, FIELD_AT).equals(HEADER) && head.toString('latin1', FIELD_AT + 2, IDENTITY_AT - 2) === SUBFIELD;
  if (!isOurs || length === 0 || IDENTITY_AT + length > bytesRead)
    throw new SwarmtsError('corrupt', `${path} is no compressed log of this engine; move it away`);
  return head.toString('latin1', IDENTITY_AT, IDENTITY_AT + length);
}

/** The content of a compressed file as one that nobody else sees, and that is gone when it is closed. */
export async function unpackLogFile(file: FileHandle, path: string): Promise<FileHandle> {
  const place = `${path}-${randomBytes(6).toString('hex')}${UNFINISHED}`;
  const unpacked = await open(place, 'wx+', 0o600);
  try {
    await rm(place);
    await pipeline(contentOf(file), createGunzip(), into(unpacked));
    return unpacked;
  } catch (e) {
    await unpacked.close();
    throw e;
  }
}

function headerOf(identity: string): Buffer {
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(SUBFIELD.length + 2 + identity.length, 0);
  lengths.writeUInt16LE(identity.length, 2);
  return Buffer.concat([
    HEADER,
    lengths.subarray(0, 2),
    Buffer.from(SUBFIELD),
    lengths.subarray(2),
    Buffer.from(identity),
  ]);
}

/** Streams of file handles do not end a pipeline unless they close the file. */
async function* contentOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function into(file: FileHandle): (chunks: AsyncIterable<Buffer>) => Promise<void> {
  return async (chunks) => {
    for await (const chunk of chunks) await file.writeFile(chunk);
  };
}

async function* withoutHeader(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = PLAIN_HEADER_BYTES;
  for await (const chunk of chunks) {
    const cut = Math.min(left, chunk.length);
    left -= cut;
    if (cut < chunk.length) yield chunk.subarray(cut);
  }
}
