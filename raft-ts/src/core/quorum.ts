// What a majority is. A decision needs a majority in every one of the voter sets: one set in normal times, two while a
// joint change is under way, so that no two deciding groups are ever disjoint. Pure functions, no state.

/** One or two sets of voters. An empty set agrees to everything, so that it does not matter beside another one. */
export type VoterSets = readonly ReadonlySet<number>[];

export type VoteResult = 'won' | 'lost' | 'pending';

export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/**
 * The highest index that a majority of every set is known to hold; infinite without any voter. `indexOf` is undefined
 * for a voter of which nothing is known.
 */
export function committedIndex(
  sets: VoterSets,
  indexOf: (id: number) => number | undefined,
  majority: (size: number) => number = majorityOf,
): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of sets) {
    if (voters.size === 0) continue;
    const indexes: number[] = [];
    for (const id of voters) indexes.push(indexOf(id) ?? 0);
    indexes.sort((a, b) => b - a);
    lowest = Math.min(lowest, indexes[majority(voters.size) - 1] ?? 0);
  }
  return lowest;
}

/** Whether an election is decided; `undefined` is a vote that has not arrived. */
export function voteResult(
  sets: VoterSets,
  voteOf: (id: number) => boolean | undefined,
  majority: (size: number) => number = majorityOf,
): VoteResult {
  let result: VoteResult = 'won';
  for (const voters of sets) {
    if (voters.size === 0) continue;
    let granted = 0;
    let missing = 0;
    for (const id of voters) {
      const vote = voteOf(id);
      if (vote === undefined) missing += 1;
      else if (vote) granted += 1;
    }
    const needed = majority(voters.size);
    if (granted + missing < needed) return 'lost';
    if (granted < needed) result = 'pending';
  }
  return result;
}

export function hasQuorum(
  sets: VoterSets,
  isPresent: (id: number) => boolean,
  majority: (size: number) => number = majorityOf,
): boolean {
  return voteResult(sets, isPresent, majority) === 'won';
}
