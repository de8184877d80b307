// The parts that messages and stored records have in common: entries, hard state, snapshot metadata.
import type { Entry, EntryType, HardState, SnapshotMetadata } from '../types.js';
import type { ByteReader, ByteWriter } from './bytes.js';

/** The number of a type is its place here: never reorder, only add. */
const ENTRY_TYPES: readonly EntryType[] = ['normal', 'conf', 'conf-v2'];

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.u8(ENTRY_TYPES.indexOf(entry.type));
  writer.uint(entry.index);
  writer.uint(entry.term);
  writer.bytes(entry.data);
}

/** Smallest size of an entry in bytes. */
export const MIN_ENTRY_BYTES = 4;

export function readEntry(reader: ByteReader): Entry {
  const type = ENTRY_TYPES[reader.u8()];
  if (type === undefined) reader.fail('unknown entry type');
  const index = reader.uint();
  const term = reader.uint();
  return { index, term, type, data: reader.bytes() };
}

export function writeHardState(writer: ByteWriter, hardState: HardState): void {
  writer.uint(hardState.term);
  writer.uint(hardState.vote);
  writer.uint(hardState.commit);
}

export function readHardState(reader: ByteReader): HardState {
  return { term: reader.uint(), vote: reader.uint(), commit: reader.uint() };
}

/** Leads metadata with a joint membership: no snapshot is of index 0 and another term than 0. */
const JOINT_MARK = { index: 0, form: 1 };

export function writeSnapshotMetadata(writer: ByteWriter, metadata: SnapshotMetadata): void {
  const { voters, learners, votersOutgoing = [], learnersNext = [], autoLeave = false } = metadata.confState;
  const isJoint = votersOutgoing.length > 0;
  if (isJoint) {
    writer.uint(JOINT_MARK.index);
    writer.uint(JOINT_MARK.form);
  }
  writer.uint(metadata.index);
  writer.uint(metadata.term);
  writer.uints(voters);
  writer.uints(learners);
  if (!isJoint) return;
  writer.uints(votersOutgoing);
  writer.uints(learnersNext);
  writer.u8(autoLeave ? 1 : 0);
}

export function readSnapshotMetadata(reader: ByteReader): SnapshotMetadata {
  const [first, second] = [reader.uint(), reader.uint()];
  const isJoint = first === JOINT_MARK.index && second !== 0;
  if (isJoint && second !== JOINT_MARK.form) reader.fail(`unknown form ${second} of a snapshot's metadata`);
  const [index, term] = isJoint ? [reader.positive(), reader.positive()] : [first, second];
  const voters = reader.ids();
  const learners = reader.ids();
  if (learners.some((id) => voters.includes(id))) reader.fail('a member is voter and learner at once');
  if (!isJoint) return { index, term, confState: { voters, learners } };
  const votersOutgoing = reader.ids();
  const learnersNext = reader.ids();
  const autoLeave = reader.bool();
  const isOutgoing = (id: number): boolean => votersOutgoing.includes(id);
  if (votersOutgoing.length === 0 || learners.some(isOutgoing) || !learnersNext.every(isOutgoing)) {
    reader.fail('no such joint membership');
  }
  return { index, term, confState: { voters, learners, votersOutgoing, learnersNext, autoLeave } };
}
