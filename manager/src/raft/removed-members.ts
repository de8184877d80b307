/** Whom the group hears no more: the ids of the Raft members that were removed for good, as the cluster keeps them. Pure. */
import type { Cluster } from '@swarmts/proto';

/** The newest that are kept. Ids are drawn at random and not used again, and what an older one still sends wins no pre-vote. */
export const MAX_REMOVED_MEMBERS = 1000;

/** Each id once, the newest last. */
export function withRemovedMembers(cluster: Cluster, raftIds: readonly number[]): Cluster {
  const kept = cluster.removedRaftIds.filter((id) => !raftIds.includes(id));
  return { ...cluster, removedRaftIds: [...kept, ...new Set(raftIds)].slice(-MAX_REMOVED_MEMBERS) };
}
