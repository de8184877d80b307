// The bytes of a membership change, which is the data of a `conf` entry.
import { RaftError, type RaftErrorCode } from '../errors.js';
import type { ConfChange, ConfChangeType } from '../types.js';
import { ByteReader, ByteWriter } from './bytes.js';

const TYPES: readonly ConfChangeType[] = ['add-voter', 'add-learner', 'remove'];

export function encodeConfChange(change: ConfChange): Uint8Array {
  const writer = new ByteWriter();
  const type = TYPES.indexOf(change.type);
  if (type < 0 || !Number.isSafeInteger(change.id) || change.id <= 0) {
    throw new RaftError('invalid', `no membership change: ${change.type} of member ${change.id}`);
  }
  writer.u8(type);
  writer.uint(change.id);
  writer.bytes(change.context);
  return writer.finish();
}

export function decodeConfChange(bytes: Uint8Array, code: RaftErrorCode = 'malformed'): ConfChange {
  const reader: ByteReader = new ByteReader(bytes, code);
  const type = TYPES[reader.u8()];
  if (type === undefined) reader.fail('unknown membership change');
  const id = reader.positive();
  const context = reader.bytes();
  reader.end();
  return { type, id, context };
}
