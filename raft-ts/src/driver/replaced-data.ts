// What a member can tell from its leader's messages about data that was put back from an earlier copy: its own, or that
// of others who then elected somebody without what was committed with their help. Going on would make it worse.
import type { RawNode } from '../core/raw-node.js';
import { RaftError } from '../errors.js';
import type { AppendMessage, HeartbeatMessage, Message } from '../message.js';

type Core = Pick<RawNode, 'id' | 'term' | 'commit' | 'lastIndex' | 'termOf'>;

/** Throws a RaftError `outdated` or `diverged`: this member must not take part any more. */
export function refuseReplacedData(core: Core, message: Message): void {
  // Only leaders of now are right about what is committed.
  if (message.term < core.term) return;
  if (message.type === 'heartbeat') refuseOwnCopy(core, message);
  else if (message.type === 'append') refuseOtherLog(core, message);
}

/** A heartbeat never commits more than this member has acknowledged to its sender. */
function refuseOwnCopy({ id, lastIndex }: Core, { commit }: HeartbeatMessage): void {
  if (commit <= lastIndex) return;
  throw new RaftError(
    'outdated',
    `the log of member ${id} ends at entry ${lastIndex}, but it has acknowledged ${commit}: an earlier copy of its data was put back`,
  );
}

/** A leader has every committed entry: where it has another one, the majority that elected it has forgotten it. */
function refuseOtherLog(core: Core, message: AppendMessage): void {
  const { from, prevIndex, prevTerm, entries } = message;
  const theirs = [{ index: prevIndex, term: prevTerm }, ...entries];
  for (const { index, term } of theirs) {
    if (index > core.commit) return;
    const own = core.termOf(index);
    if (own === undefined || own === term) continue;
    throw new RaftError(
      'diverged',
      `committed entry ${index} of member ${core.id} is another one than that of leader ${from}: an earlier copy of another member's data was put back, and what was committed since may be lost`,
    );
  }
}
