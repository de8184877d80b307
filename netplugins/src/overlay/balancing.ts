/**
 * Spreading connections over backends with nftables. One chain per number of backends draws one of them, by its number, from a map
 * that all destinations share: a verdict map into ten thousand chains, one per destination, takes the kernel ten seconds to load. Pure.
 */
import { chain } from './rule-set.js';

/** Chains for so many backends are always there: a change up to here is one of elements alone. */
const USUAL_BACKENDS = 16;

export type Family = 'ipv4' | 'ipv6';

/** Words of nft by family. */
export const familyWords = {
  ipv4: { ip: 'ip', type: 'ipv4_addr', suffix: '4' },
  ipv6: { ip: 'ip6', type: 'ipv6_addr', suffix: '6' },
} as const;

export const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Destinations with their backends, in the words of the key and the data of the map. */
export type Balance = ReadonlyMap<string, readonly string[]>;

/** Elements of the verdict map: where each destination goes. */
export function verdicts(family: Family, balance: Balance): [string, string][] {
  return [...balance].map(([key, backends]) => [key, `goto ${chainName(family, backends.length)}`]);
}

/** Elements of the map of backends: each by its destination and number. */
export function backendElements(balance: Balance): [string, string][] {
  return [...balance].flatMap(([key, backends]) => backends.map((b, i): [string, string] => [`${key} . ${i}`, b]));
}

/** The chains that draw. `key` is the expression whose values are the destinations. */
export function drawingChains(family: Family, key: string, map: string, balance: Balance): string[] {
  const counts = new Set(Array.from({ length: USUAL_BACKENDS }, (_, i) => i + 1));
  for (const backends of balance.values()) counts.add(backends.length);
  const { ip } = familyWords[family];
  return [...counts]
    .sort((a, b) => a - b)
    .flatMap((n) => chain(chainName(family, n), '', [`dnat ${ip} to ${key} . numgen random mod ${n} map @${map}`]));
}

/** Chain that refuses what comes to it at once. */
export const REFUSAL = 'refusal';

export function refusalChain(): string[] {
  return chain(REFUSAL, '', ['meta l4proto tcp reject with tcp reset', 'reject with icmpx type port-unreachable']);
}

function chainName(family: Family, backends: number): string {
  return `of_${backends}_${familyWords[family].suffix}`;
}
