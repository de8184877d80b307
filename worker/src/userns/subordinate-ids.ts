/** The files /etc/subuid and /etc/subgid (subuid.5): lines of `NAME-OR-ID:FIRST:COUNT`, which ids of the machine are whose to give away. Pure. */
import type { IdRange } from './id-map.js';

export interface SubordinateRange {
  readonly owner: string;
  readonly first: number;
  readonly count: number;
}

/** As useradd(8) hands them out. */
const FIRST_FREE = 100_000;
export const RANGE_SIZE = 65_536;
/** The largest id is -1, which is none. */
const MAX_ID = 0xfffffffe;
/** The kernel takes no more lines in a map. */
const MAX_RANGES = 340;

/** Lines that are none are passed over, as those who read these files do. */
export function parseSubordinateIds(text: string): readonly SubordinateRange[] {
  return text.split('\n').flatMap((line) => {
    const [, owner = '', first = '', count = ''] = /^([^:#\s][^:]*):(\d+):(\d+)\s*$/.exec(line.trim()) ?? [];
    const range = { owner, first: Number(first), count: Number(count) };
    return owner !== '' && range.count > 0 && range.first + range.count - 1 <= MAX_ID ? [range] : [];
  });
}

/** The ranges of whoever has one of the names, one after the other from id 0 of the inside on, those with the lowest ids first. */
export function idRangesOf(ranges: readonly SubordinateRange[], names: readonly string[]): readonly IdRange[] {
  const own = ranges.filter((r) => names.includes(r.owner)).sort((a, b) => a.first - b.first);
  let containerId = 0;
  return own.slice(0, MAX_RANGES).map(({ first, count }) => {
    const range = { containerId, hostId: first, size: count };
    containerId += count;
    return range;
  });
}

/** The first id of a range that nobody has. */
export function freeRange(...taken: readonly (readonly SubordinateRange[])[]): number {
  return Math.max(FIRST_FREE, ...taken.flat().map((r) => r.first + r.count));
}
