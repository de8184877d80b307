// Whose directory it is: written once when the log is made, checked at every start, so that no member ever continues
// under another one's name. And the first entries of a new group, the same on each of its founders.
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import { encodeConfChange } from '../codec/conf-change-codec.js';
import { RaftError } from '../errors.js';
import { type Entry, type HardState, NO_DATA, NOBODY } from '../types.js';

const VERSION = 1;
const FIRST_TERM = 1;

export function checkId(id: number): void {
  if (!Number.isSafeInteger(id) || id <= 0) throw new RaftError('invalid', `${id} is not a member id`);
}

export function encodeIdentity(id: number, metadata: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.uint(id);
  writer.bytes(metadata);
  return writer.finish();
}

/** The caller's metadata; throws if the directory belongs to another member. */
export function readIdentity(bytes: Uint8Array, id: number, dir: string): Uint8Array {
  const reader: ByteReader = new ByteReader(bytes, 'corrupt');
  if (reader.u8() !== VERSION) reader.fail('unknown version of the identity');
  const owner = reader.positive();
  const metadata = reader.bytes();
  reader.end();
  if (owner !== id) throw new RaftError('invalid', `${dir} belongs to member ${owner}, not to ${id}`);
  return metadata;
}

/** The log that every founder starts from: one committed change per voter. Empty for somebody who joins later. */
export function foundingLog(
  id: number,
  voters: readonly number[],
): { hardState: HardState; entries: readonly Entry[] } {
  if (voters.length > 0 && !voters.includes(id)) {
    throw new RaftError('invalid', `member ${id} is not among the founders ${voters.join(', ')}`);
  }
  const ids = [...new Set(voters)].sort((a, b) => a - b);
  for (const each of ids) checkId(each);
  const entries = ids.map((voter, at): Entry => {
    const data = encodeConfChange({ type: 'add-voter', id: voter, context: NO_DATA });
    return { index: at + 1, term: FIRST_TERM, type: 'conf', data };
  });
  const term = entries.length > 0 ? FIRST_TERM : 0;
  return { hardState: { term, vote: NOBODY, commit: entries.length }, entries };
}
