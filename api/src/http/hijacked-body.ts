/** Bodies of requests that take their connection over: Node's parser has stopped behind the head, and what follows the body is not HTTP. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { SwarmtsError } from '@swarmts/lib';
import { LATE_BODY, MAX_JSON_BODY_BYTES, MAX_JSON_BODY_MS, within } from './exchange.js';

const CRLF_BYTES = 2;
/** Of the size of a piece with what may stand behind it, or of a field behind the last one. */
const MAX_CHUNK_LINE = 4096;
const MAX_TRAILERS = 64;

/** The body of such a request, which nobody has read yet; what comes behind it stays in the connection. */
export async function readHijackedBody(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<Buffer> {
  const read = async (): Promise<Buffer> => {
    const chunk = await within(MAX_JSON_BODY_MS, LATE_BODY, nextChunk(connection));
    if (chunk === undefined) throw new SwarmtsError('aborted', 'the client has gone');
    return chunk;
  };
  const { body, rest } = await (request.headers['transfer-encoding'] === undefined
    ? readSized(Number(request.headers['content-length'] ?? 0), head, read)
    : readChunked(head, read));
  if (rest.length > 0) connection.unshift(rest);
  return body;
}

interface BodyAndRest {
  readonly body: Buffer;
  readonly rest: Buffer;
}

async function readSized(length: number, head: Buffer, read: () => Promise<Buffer>): Promise<BodyAndRest> {
  if (!Number.isInteger(length) || length < 0 || length > MAX_JSON_BODY_BYTES) throw tooLarge();
  let bytes = head;
  while (bytes.length < length) bytes = Buffer.concat([bytes, await read()]);
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

/** RFC 9112, section 7.1: sizes in hexadecimal digits before pieces, and lines that nobody reads behind the last one. */
async function readChunked(head: Buffer, read: () => Promise<Buffer>): Promise<BodyAndRest> {
  let bytes = head;
  const takeLine = async (): Promise<string> => {
    for (;;) {
      const end = bytes.indexOf('\r\n');
      if (end > MAX_CHUNK_LINE || (end < 0 && bytes.length > MAX_CHUNK_LINE)) throw badChunk();
      if (end < 0) bytes = Buffer.concat([bytes, await read()]);
      else {
        const line = bytes.toString('latin1', 0, end);
        bytes = bytes.subarray(end + CRLF_BYTES);
        return line;
      }
    }
  };
  const pieces: Buffer[] = [];
  for (let total = 0; ; ) {
    const digits = /^([0-9a-f]{1,8})\s*(?:;.*)?$/i.exec(await takeLine())?.[1];
    if (digits === undefined) throw badChunk();
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    total += size;
    if (total > MAX_JSON_BODY_BYTES) throw tooLarge();
    while (bytes.length < size + CRLF_BYTES) bytes = Buffer.concat([bytes, await read()]);
    pieces.push(bytes.subarray(0, size));
    bytes = bytes.subarray(size);
    if ((await takeLine()) !== '') throw badChunk();
  }
  for (let trailers = 0; (await takeLine()) !== ''; trailers++) if (trailers > MAX_TRAILERS) throw badChunk();
  return { body: Buffer.concat(pieces), rest: bytes };
}

const badChunk = () => new SwarmtsError('invalid-argument', 'the request body is not in chunks as its head says');
const tooLarge = () => new SwarmtsError('invalid-argument', `request body is larger than ${MAX_JSON_BODY_BYTES} bytes`);

function nextChunk(connection: Duplex): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const take = () => {
      const chunk: Buffer | null = connection.read();
      if (chunk === null && !connection.readableEnded && !connection.destroyed) return;
      for (const name of ['readable', 'end', 'close', 'error']) connection.off(name, take);
      resolve(chunk ?? undefined);
    };
    for (const name of ['readable', 'end', 'close', 'error']) connection.on(name, take);
    take();
  });
}
