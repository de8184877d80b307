// The bytes of a membership change, which is the data of a `conf` entry (one step) or a `conf-v2` entry (any number).
import { RaftError, type RaftErrorCode } from '../errors.js';
import {
  type ConfChange,
  type ConfChangeStep,
  type ConfChangeType,
  type ConfChangeV2,
  type ConfTransition,
  type Entry,
  type MembershipChange,
  NO_DATA,
} from '../types.js';
import { ByteReader, ByteWriter } from './bytes.js';

/** The numbers are the places here: never reorder, only add. */
const TYPES: readonly ConfChangeType[] = ['add-voter', 'add-learner', 'remove', 'update'];
const TRANSITIONS: readonly ConfTransition[] = ['auto', 'implicit', 'explicit'];

/** Bytes of the shortest step. */
const MIN_STEP_BYTES = 2;

function writeStep(writer: ByteWriter, { type, id }: ConfChangeStep): void {
  const number = TYPES.indexOf(type);
  if (number < 0 || !Number.isSafeInteger(id) || id <= 0) {
    throw new RaftError('invalid', `no membership change: ${type} of member ${id}`);
  }
  writer.u8(number);
  writer.uint(id);
}

function readStep(reader: ByteReader): ConfChangeStep {
  const type = TYPES[reader.u8()];
  if (type === undefined) reader.fail('unknown membership change');
  return { type, id: reader.positive() };
}

export function encodeConfChange(change: ConfChange): Uint8Array {
  const writer = new ByteWriter();
  writeStep(writer, change);
  writer.bytes(change.context);
  return writer.finish();
}

export function decodeConfChange(bytes: Uint8Array, code: RaftErrorCode = 'malformed'): ConfChange {
  const reader: ByteReader = new ByteReader(bytes, code);
  const step = readStep(reader);
  const context = reader.bytes();
  reader.end();
  return { ...step, context };
}

/** Empty for the change that ends a joint membership. */
export function encodeConfChangeV2(change: ConfChangeV2): Uint8Array {
  if (change.transition === 'auto' && change.steps.length === 0 && change.context.length === 0) return NO_DATA;
  const writer = new ByteWriter();
  writer.u8(TRANSITIONS.indexOf(change.transition));
  writer.uint(change.steps.length);
  for (const step of change.steps) writeStep(writer, step);
  writer.bytes(change.context);
  return writer.finish();
}

export function decodeConfChangeV2(bytes: Uint8Array, code: RaftErrorCode = 'malformed'): ConfChangeV2 {
  if (bytes.length === 0) return { transition: 'auto', steps: [], context: NO_DATA };
  const reader: ByteReader = new ByteReader(bytes, code);
  const transition = TRANSITIONS[reader.u8()];
  if (transition === undefined) reader.fail('unknown transition');
  const steps: ConfChangeStep[] = [];
  for (let left = reader.count(MIN_STEP_BYTES); left > 0; left -= 1) steps.push(readStep(reader));
  const context = reader.bytes();
  reader.end();
  // Each change has exactly one encoding, and that of ending a joint membership is the empty one.
  if (transition === 'auto' && steps.length === 0 && context.length === 0) reader.fail('an empty change in full');
  return { transition, steps, context };
}

export function isConfChangeV2(change: MembershipChange): change is ConfChangeV2 {
  return 'steps' in change;
}

/** The same change in the wider form. */
export function asConfChangeV2(change: MembershipChange): ConfChangeV2 {
  if (isConfChangeV2(change)) return change;
  return { transition: 'auto', steps: [{ type: change.type, id: change.id }], context: change.context };
}

/** The type and data of the entry that carries the change. */
export function encodeMembershipChange(change: MembershipChange): Pick<Entry, 'type' | 'data'> {
  if (isConfChangeV2(change)) return { type: 'conf-v2', data: encodeConfChangeV2(change) };
  return { type: 'conf', data: encodeConfChange(change) };
}

/** The change that an entry carries; undefined for a `normal` entry. Throws a RaftError of `code` for broken bytes. */
export function decodeMembershipChange(
  entry: Pick<Entry, 'type' | 'data'>,
  code: RaftErrorCode = 'malformed',
): ConfChangeV2 | undefined {
  switch (entry.type) {
    case 'normal':
      return undefined;
    case 'conf':
      return asConfChangeV2(decodeConfChange(entry.data, code));
    case 'conf-v2':
      return decodeConfChangeV2(entry.data, code);
  }
}
