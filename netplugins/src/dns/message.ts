/**
 * DNS messages (RFC 1035, EDNS: RFC 6891) as far as the name server needs them: reading a query, writing an answer to it. Whatever
 * comes from a container may be anything: bytes that are no query give undefined, never an exception.
 */
import { SwarmtsError } from '@swarmts/lib';

export const RecordType = { A: 1, PTR: 12, AAAA: 28, OPT: 41 } as const;
export const ResponseCode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  /** Of EDNS: its higher bits are in the OPT record. */
  badVersion: 16,
} as const;

const CLASS_IN = 1;
const HEADER_BYTES = 12;
const PLAIN_UDP_BYTES = 512;
/** What we take and send with EDNS: fits every path without fragments (DNS flag day 2020). */
const EDNS_UDP_BYTES = 1232;
const MAX_NAME_BYTES = 255;
/** Of a name in an answer: the question's, at the end of the header. */
const POINTER_TO_QUESTION = 0xc000 | HEADER_BYTES;

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  /** Other classes than the internet's are asked for by tools alone. */
  readonly isInternet: boolean;
  /** The question's bytes as they came, for the answer. */
  readonly question: Buffer;
  readonly hasEdns: boolean;
  /** Of EDNS; 0 is the only one there is. */
  readonly ednsVersion: number;
  /** Largest answer that the client takes over UDP. */
  readonly udpBytes: number;
}

/** A message with one question; undefined for everything else. */
export function parseQuery(message: Buffer): Query | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const name = readName(message, HEADER_BYTES);
  if (!name || name.end + 4 > message.length) return undefined;
  const end = name.end + 4;
  const edns = readEdns(message, end);
  return {
    id: message.readUInt16BE(0),
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & 0x0100) !== 0,
    name: name.text.toLowerCase(),
    type: message.readUInt16BE(name.end),
    isInternet: message.readUInt16BE(name.end + 2) === CLASS_IN,
    question: message.subarray(HEADER_BYTES, end),
    hasEdns: edns !== undefined,
    ednsVersion: edns?.version ?? 0,
    udpBytes: Math.min(Math.max(edns?.udpBytes ?? 0, PLAIN_UDP_BYTES), EDNS_UDP_BYTES),
  };
}

/** A question's name: no pointers in there. */
function readName(message: Buffer, start: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at - start > MAX_NAME_BYTES) return undefined;
    at++;
    if (length === 0) return { text: labels.join('.'), end: at };
    if (at + length > message.length) return undefined;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
}

interface Edns {
  readonly version: number;
  readonly udpBytes: number;
}

/** What an OPT record right behind the question says, where it stands in every query that has one. */
function readEdns(message: Buffer, at: number): Edns | undefined {
  const isOpt = message.readUInt16BE(10) > 0 && message.length >= at + OPT_RECORD.length && message[at] === 0;
  if (!isOpt || message.readUInt16BE(at + 1) !== RecordType.OPT) return undefined;
  return { udpBytes: message.readUInt16BE(at + 3), version: message[at + 6] ?? 0 };
}

export interface Answer {
  /** Above 15 only to a query with EDNS. */
  readonly code: number;
  /** Contents of the records, all of the question's type. */
  readonly records: readonly Buffer[];
  readonly ttlSeconds: number;
}

/** To what `parseQuery` does not understand; undefined where even that says too much: to answers, and to what has no header. */
export function encodeFormatError(message: Buffer): Buffer | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return undefined;
  const answer = Buffer.alloc(HEADER_BYTES);
  message.copy(answer, 0, 0, 2);
  // Its kind of question and its wish for recursion come back.
  answer.writeUInt16BE(0x8080 | (flags & 0x7900) | ResponseCode.formatError, 2);
  return answer;
}

/** The answer's bytes. Over UDP records that do not fit are left out and the client is told to ask again over TCP. */
export function encodeAnswer(query: Query, answer: Answer, overUdp: boolean): Buffer {
  const room = overUdp ? query.udpBytes : 65_535;
  let size = HEADER_BYTES + query.question.length + (query.hasEdns ? OPT_RECORD.length : 0);
  let count = 0;
  for (const data of answer.records) {
    if (size + RECORD_HEAD_BYTES + data.length > room) break;
    size += RECORD_HEAD_BYTES + data.length;
    count++;
  }
  const message = Buffer.allocUnsafe(size);
  const truncated = count < answer.records.length;
  const desired = query.recursionDesired ? 0x0100 : 0;
  message.writeUInt16BE(query.id, 0);
  message.writeUInt16BE(0x8480 | (query.opcode << 11) | desired | (truncated ? 0x0200 : 0) | (answer.code & 15), 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(count, 6);
  message.writeUInt16BE(0, 8);
  message.writeUInt16BE(query.hasEdns ? 1 : 0, 10);
  let at = HEADER_BYTES + query.question.copy(message, HEADER_BYTES);
  for (const data of answer.records.slice(0, count)) {
    at = writeRecord(message, at, query.type, answer.ttlSeconds, data);
  }
  if (query.hasEdns) {
    OPT_RECORD.copy(message, at);
    message.writeUInt8(answer.code >> 4, at + EXTENDED_CODE_OFFSET);
  }
  return message;
}

const RECORD_HEAD_BYTES = 12;
/** Within an OPT record: the upper bits of the code of an answer. */
const EXTENDED_CODE_OFFSET = 5;

function writeRecord(message: Buffer, at: number, type: number, ttlSeconds: number, data: Buffer): number {
  message.writeUInt16BE(POINTER_TO_QUESTION, at);
  message.writeUInt16BE(type, at + 2);
  message.writeUInt16BE(CLASS_IN, at + 4);
  message.writeUInt32BE(ttlSeconds, at + 6);
  message.writeUInt16BE(data.length, at + 10);
  data.copy(message, at + RECORD_HEAD_BYTES);
  return at + RECORD_HEAD_BYTES + data.length;
}

function optRecord(): Buffer {
  const b = Buffer.alloc(11);
  b.writeUInt16BE(RecordType.OPT, 1);
  b.writeUInt16BE(EDNS_UDP_BYTES, 3);
  return b;
}

const OPT_RECORD = optRecord();

/** A name as labels, uncompressed. */
export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((l) => l !== '');
  const parts = labels.flatMap((l) => {
    const bytes = Buffer.from(l, 'latin1');
    if (bytes.length > 63) throw new SwarmtsError('invalid-argument', `${l} is too long for a DNS label`);
    return [Buffer.from([bytes.length]), bytes];
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

/** A query for tests and tools. */
export function encodeQuery(id: number, name: string, type: number, ednsBytes = 0): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(ednsBytes > 0 ? 1 : 0, 10);
  const kind = Buffer.alloc(4);
  kind.writeUInt16BE(type, 0);
  kind.writeUInt16BE(CLASS_IN, 2);
  const opt = optRecord();
  opt.writeUInt16BE(ednsBytes, 3);
  return Buffer.concat([header, encodeName(name), kind, ...(ednsBytes > 0 ? [opt] : [])]);
}
