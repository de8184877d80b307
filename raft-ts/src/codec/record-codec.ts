// The parts that messages and stored records have in common: entries, hard state, snapshot metadata.
import type { Entry, HardState, SnapshotMetadata } from '../types.js';
import type { ByteReader, ByteWriter } from './bytes.js';

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.u8(entry.type === 'normal' ? 0 : 1);
  writer.uint(entry.index);
  writer.uint(entry.term);
  writer.bytes(entry.data);
}

/** Smallest size of an entry in bytes. */
export const MIN_ENTRY_BYTES = 4;

export function readEntry(reader: ByteReader): Entry {
  const isConf = reader.bool();
  const index = reader.uint();
  const term = reader.uint();
  return { index, term, type: isConf ? 'conf' : 'normal', data: reader.bytes() };
}

export function writeHardState(writer: ByteWriter, hardState: HardState): void {
  writer.uint(hardState.term);
  writer.uint(hardState.vote);
  writer.uint(hardState.commit);
}

export function readHardState(reader: ByteReader): HardState {
  return { term: reader.uint(), vote: reader.uint(), commit: reader.uint() };
}

export function writeSnapshotMetadata(writer: ByteWriter, metadata: SnapshotMetadata): void {
  writer.uint(metadata.index);
  writer.uint(metadata.term);
  writer.uints(metadata.confState.voters);
  writer.uints(metadata.confState.learners);
}

export function readSnapshotMetadata(reader: ByteReader): SnapshotMetadata {
  const index = reader.uint();
  const term = reader.uint();
  const voters = reader.ids();
  const learners = reader.ids();
  if (learners.some((id) => voters.includes(id))) reader.fail('a member is voter and learner at once');
  return { index, term, confState: { voters, learners } };
}
