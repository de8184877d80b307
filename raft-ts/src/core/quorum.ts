// What a majority is. A decision needs a majority in every one of the voter sets: one set in normal times, two while a
// joint change is under way, so that no two deciding groups are ever disjoint. Pure functions, no state.

/** One or two sets of voters; no voters at all decide nothing. */
export type VoterSets = readonly ReadonlySet<number>[];

export type VoteResult = 'won' | 'lost' | 'pending';

export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/** The highest index that a majority of every set is known to hold. */
export function committedIndex(sets: VoterSets, matchOf: (id: number) => number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of sets) {
    if (voters.size === 0) continue;
    const matches = [...voters].map(matchOf).sort((a, b) => b - a);
    lowest = Math.min(lowest, matches[majorityOf(voters.size) - 1] ?? 0);
  }
  return Number.isFinite(lowest) ? lowest : 0;
}

/** Whether an election is decided; `undefined` is a vote that has not arrived. */
export function voteResult(sets: VoterSets, voteOf: (id: number) => boolean | undefined): VoteResult {
  let result: VoteResult = sets.some((voters) => voters.size > 0) ? 'won' : 'lost';
  for (const voters of sets) {
    if (voters.size === 0) continue;
    const votes = [...voters].map(voteOf);
    const granted = votes.filter((vote) => vote === true).length;
    const missing = votes.filter((vote) => vote === undefined).length;
    const needed = majorityOf(voters.size);
    if (granted + missing < needed) return 'lost';
    if (granted < needed) result = 'pending';
  }
  return result;
}

export function hasQuorum(sets: VoterSets, isPresent: (id: number) => boolean): boolean {
  return voteResult(sets, isPresent) === 'won';
}
