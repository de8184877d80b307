/** The managers that a node knows of, in the order in which it asks them. Pure. */
import type { Manager } from '@swarmts/manager';
import type { NodeState } from './node-state.js';

type KnownManager = NodeState['managers'][number];

/** The leader first; then those that this manager, where it is one, has in its store; then those of which the node was told last. */
export function knownManagers(mine: Manager | undefined, state: NodeState | undefined): readonly KnownManager[] {
  const leader = mine?.raft.leader;
  const first = leader ? [{ nodeId: leader.nodeId, addr: leader.addr }] : [];
  const all = [...first, ...(mine?.managers() ?? []), ...(state?.managers ?? [])];
  return [...new Map(all.map((m) => [m.addr, m])).values()];
}

/** Where a manager may join Raft. One that has just been taken in may not know the leader yet, or be waiting to join itself. */
export function joinAddrs(
  { joinAddr, advertiseAddr }: NodeState,
  session: string,
  known: readonly KnownManager[],
): readonly string[] {
  const all = [session, joinAddr, ...known.map((m) => m.addr)];
  return [...new Set(all)].filter((addr) => addr !== '' && addr !== advertiseAddr);
}
