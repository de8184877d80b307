// What travels in one gRPC message: all Raft messages that were sent together, or one step of a snapshot's transfer.
// Whatever does not parse is a RaftError `malformed`.
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import { decodeMessage, encodeMessage } from '../codec/message-codec.js';
import { RaftError } from '../errors.js';
import type { Message, SnapshotMessage } from '../message.js';
import { crc32c } from '../storage/crc32c.js';

/** Raised when the frames change their meaning. */
const VERSION = 1;
const KIND_BEGIN = 1;
const KIND_CHUNK = 2;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `encoded` are encoded messages. */
export function packMessages(encoded: readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  for (const bytes of encoded) writer.bytes(bytes);
  return asBuffer(writer.finish());
}

export function unpackMessages(frame: Uint8Array): Message[] {
  const reader: ByteReader = new ByteReader(frame, 'malformed');
  checkVersion(reader);
  const messages: Message[] = [];
  while (!reader.isAtEnd) messages.push(decodeMessage(reader.bytes()));
  return messages;
}

function checkVersion(reader: ByteReader): void {
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`unknown transport version ${version}`);
}

export type SnapshotFrame =
  | { readonly kind: 'begin'; readonly key: string; readonly sizeBytes: number; readonly message: SnapshotMessage }
  | { readonly kind: 'chunk'; readonly offsetBytes: number; readonly bytes: Uint8Array };

export function packSnapshotFrame(frame: SnapshotFrame): Buffer {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  if (frame.kind === 'begin') {
    writer.u8(KIND_BEGIN);
    writer.bytes(Buffer.from(frame.key));
    writer.uint(frame.sizeBytes);
    writer.bytes(encodeMessage(frame.message));
  } else {
    writer.u8(KIND_CHUNK);
    writer.uint(frame.offsetBytes);
    writer.uint(crc32c(frame.bytes));
    writer.bytes(frame.bytes);
  }
  return asBuffer(writer.finish());
}

export function unpackSnapshotFrame(frame: Uint8Array): SnapshotFrame {
  const reader: ByteReader = new ByteReader(frame, 'malformed');
  checkVersion(reader);
  const kind = reader.u8();
  if (kind === KIND_CHUNK) {
    const [offsetBytes, sum, bytes] = [reader.uint(), reader.uint(), reader.bytes()];
    reader.end();
    if (crc32c(bytes) !== sum) throw new RaftError('malformed', 'a snapshot chunk was damaged on its way');
    return { kind: 'chunk', offsetBytes, bytes };
  }
  if (kind !== KIND_BEGIN) reader.fail(`unknown kind ${kind} of snapshot frame`);
  const key = Buffer.from(reader.bytes()).toString();
  const sizeBytes = reader.uint();
  const message = decodeMessage(reader.bytes());
  reader.end();
  if (message.type !== 'snap') throw new RaftError('malformed', `a '${message.type}' message begins no snapshot`);
  return { kind: 'begin', key, sizeBytes, message };
}

/** How much of a snapshot the receiver has. */
export function packOffset(offsetBytes: number): Buffer {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.uint(offsetBytes);
  return asBuffer(writer.finish());
}

export function unpackOffset(frame: Uint8Array): number {
  const reader: ByteReader = new ByteReader(frame, 'malformed');
  checkVersion(reader);
  const offset = reader.uint();
  reader.end();
  return offset;
}
