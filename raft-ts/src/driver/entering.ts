// From the callers' queue into the log: payloads in groups, membership changes one by one, in the order of the calls.
import type { RawNode } from '../core/raw-node.js';
import { isRaftError, RaftError } from '../errors.js';
import { NOBODY } from '../types.js';
import { groupProposals, type Proposal, type Proposals } from './proposals.js';

export function enterProposals(core: RawNode, proposals: Proposals): void {
  // A sole voter's election is certain and only waits for its disk: so do the proposals.
  const { role, leader } = core.softState;
  if (core.isSoleVoter && (role === 'pre-candidate' || role === 'candidate')) return;
  const queue = proposals.takeQueue();
  if (queue.length === 0) return;
  if (role !== 'leader') {
    for (const proposal of queue) proposal.reject(notLeader(leader));
    return;
  }
  for (const group of groupProposals(queue)) enterGroup(core, proposals, group);
}

function enterGroup(core: RawNode, proposals: Proposals, group: readonly Proposal[]): void {
  try {
    const [first] = group;
    const { index, term } =
      first?.payload.kind === 'conf'
        ? core.proposeConfChange(first.payload.change)
        : core.propose(group.flatMap(({ payload }) => (payload.kind === 'normal' ? [payload.data] : [])));
    if (index !== undefined) proposals.entered(group, index, term);
  } catch (error) {
    if (!isRaftError(error)) throw error;
    for (const proposal of group) proposal.reject(error);
  }
}

export function notLeader(leader: number): RaftError {
  const who = leader === NOBODY ? 'nobody' : `member ${leader}`;
  return new RaftError('not-leader', `this member does not lead; ${who} does`, { leader });
}
