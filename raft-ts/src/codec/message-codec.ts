// Messages to bytes and back. Decoding accepts exactly what encoding makes: anything else is a RaftError `malformed`.
// The decoded message refers to the given bytes; the caller must not change them afterwards.
import type { Message, MessageType } from '../message.js';
import { type Entry, isConfEntry } from '../types.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { decodeMembershipChange } from './conf-change-codec.js';
import { MIN_ENTRY_BYTES, readEntry, readSnapshotMetadata, writeEntry, writeSnapshotMetadata } from './record-codec.js';

/** Raised when the bytes change their meaning; members of neighbouring releases must understand each other. */
const VERSION = 1;

/** The number of a type is its place here: never reorder, only add. */
const TYPES: readonly MessageType[] = [
  'append',
  'append-response',
  'vote',
  'vote-response',
  'pre-vote',
  'pre-vote-response',
  'heartbeat',
  'heartbeat-response',
  'snap',
  'propose',
  'read-index',
  'read-index-response',
  'transfer-leader',
  'timeout-now',
];

export function encodeMessage(message: Message): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(TYPES.indexOf(message.type));
  writer.uint(message.from);
  writer.uint(message.to);
  writer.uint(message.term);
  writeBody(writer, message);
  return writer.finish();
}

function writeBody(writer: ByteWriter, message: Message): void {
  switch (message.type) {
    case 'append':
      writer.uint(message.prevIndex);
      writer.uint(message.prevTerm);
      writer.uint(message.commit);
      writeEntries(writer, message.entries);
      return;
    case 'append-response':
      writer.uint(message.index);
      writer.u8(message.reject ? 1 : 0);
      writer.uint(message.hintIndex);
      writer.uint(message.hintTerm);
      return;
    case 'vote':
    case 'pre-vote':
      writer.uint(message.lastIndex);
      writer.uint(message.lastTerm);
      writer.u8(message.transfer ? 1 : 0);
      return;
    case 'vote-response':
    case 'pre-vote-response':
      writer.u8(message.reject ? 1 : 0);
      return;
    case 'heartbeat':
      writer.uint(message.commit);
      writer.bytes(message.context);
      return;
    case 'heartbeat-response':
    case 'read-index':
      writer.bytes(message.context);
      return;
    case 'snap':
      writeSnapshotMetadata(writer, message.snapshot.metadata);
      writer.bytes(message.snapshot.data);
      return;
    case 'propose':
      writeEntries(writer, message.entries);
      return;
    case 'read-index-response':
      writer.uint(message.index);
      writer.bytes(message.context);
      return;
    case 'transfer-leader':
      writer.uint(message.transferee);
      return;
    case 'timeout-now':
      return;
  }
}

function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.uint(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
}

export function decodeMessage(bytes: Uint8Array): Message {
  const reader: ByteReader = new ByteReader(bytes, 'malformed');
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`unknown message version ${version}`);
  const type = TYPES[reader.u8()];
  if (type === undefined) reader.fail('unknown message type');
  const from = reader.positive();
  const to = reader.positive();
  const isRequest = type === 'propose' || type === 'read-index';
  const term = isRequest ? reader.uint() : reader.positive();
  if (isRequest && term !== 0) reader.fail('a request with a term');
  const message = readBody(reader, type, { from, to, term });
  reader.end();
  return message;
}

function readBody(
  reader: ByteReader,
  type: MessageType,
  envelope: { from: number; to: number; term: number },
): Message {
  switch (type) {
    case 'append': {
      const [prevIndex, prevTerm, commit] = [reader.uint(), reader.uint(), reader.uint()];
      const entries = readLogEntries(reader, prevIndex, prevTerm, envelope.term);
      return { type, ...envelope, prevIndex, prevTerm, entries, commit };
    }
    case 'append-response': {
      const [index, reject] = [reader.uint(), reader.bool()];
      return { type, ...envelope, index, reject, hintIndex: reader.uint(), hintTerm: reader.uint() };
    }
    case 'vote':
    case 'pre-vote': {
      const [lastIndex, lastTerm] = [reader.uint(), reader.uint()];
      return { type, ...envelope, lastIndex, lastTerm, transfer: reader.bool() };
    }
    case 'vote-response':
    case 'pre-vote-response':
      return { type, ...envelope, reject: reader.bool() };
    case 'heartbeat':
      return { type, ...envelope, commit: reader.uint(), context: reader.bytes() };
    case 'heartbeat-response':
    case 'read-index':
      return { type, ...envelope, context: reader.bytes() };
    case 'snap': {
      const metadata = readSnapshotMetadata(reader);
      if (metadata.index === 0 || metadata.term === 0 || metadata.term > envelope.term) reader.fail('no such snapshot');
      return { type, ...envelope, snapshot: { metadata, data: reader.bytes() } };
    }
    case 'propose':
      return { type, ...envelope, entries: readProposals(reader) };
    case 'read-index-response':
      return { type, ...envelope, index: reader.uint(), context: reader.bytes() };
    case 'transfer-leader':
      return { type, ...envelope, transferee: reader.positive() };
    case 'timeout-now':
      return { type, ...envelope };
  }
}

/** Entries that really can follow (`prevIndex`, `prevTerm`) in the log of a leader of `term`. */
function readLogEntries(reader: ByteReader, prevIndex: number, prevTerm: number, term: number): Entry[] {
  if (prevTerm > term || (prevTerm === 0) !== (prevIndex === 0)) reader.fail('no such place in a log');
  const entries: Entry[] = [];
  let lastTerm = Math.max(prevTerm, 1);
  for (let left = reader.count(MIN_ENTRY_BYTES); left > 0; left -= 1) {
    const entry = readEntry(reader);
    if (entry.index !== prevIndex + entries.length + 1) reader.fail(`entry ${entry.index} out of order`);
    if (entry.term < lastTerm || entry.term > term) reader.fail(`entry of term ${entry.term} out of order`);
    decodeMembershipChange(entry);
    lastTerm = entry.term;
    entries.push(entry);
  }
  return entries;
}

function readProposals(reader: ByteReader): Entry[] {
  const entries: Entry[] = [];
  for (let left = reader.count(MIN_ENTRY_BYTES); left > 0; left -= 1) {
    const entry = readEntry(reader);
    if (entry.index !== 0 || entry.term !== 0) reader.fail('a proposal with a place in the log');
    if (entry.data.length === 0 && entry.type !== 'conf-v2') reader.fail('an empty proposal');
    decodeMembershipChange(entry);
    entries.push(entry);
  }
  const confs = entries.filter((entry) => isConfEntry(entry)).length;
  if (entries.length === 0 || confs > 1) reader.fail('no acceptable proposal');
  return entries;
}
