/** How many addresses of a network are in use, by its subnets. */
import { isSwarmtsError, parseIp, prefixContains, type SubnetConfig, SubnetPool } from '@swarmts/lib';

/** Docker counts with 64 bits and stays at the most: the most that fits into them and is a double. */
const MOST = 2n ** 64n - 2n ** 11n;

/** `addresses`: those of endpoints, with or without the length of their prefix. */
export function ipamStatusJson(
  configs: readonly SubnetConfig[],
  addresses: readonly string[],
): Record<string, unknown> {
  const plain = addresses.map((a) => a.replace(/\/.*$/, '')).filter((a) => a !== '');
  const subnets = configs.map((c) => {
    const pool = SubnetPool.of(c);
    for (const address of plain) claim(pool, address);
    const status = { IPsInUse: count(pool.taken), DynamicIPsAvailable: count(pool.available) };
    return [String(pool), status] as const;
  });
  return { IPAM: { Subnets: Object.fromEntries(subnets) } };
}

function claim(pool: SubnetPool, address: string): void {
  if (!prefixContains(pool.subnet, parseIp(address))) return;
  try {
    pool.claim(address, address);
  } catch (e) {
    // What is reserved is counted already.
    if (!isSwarmtsError(e, 'invalid-argument')) throw e;
  }
}

function count(n: bigint): number {
  return Number(n < MOST ? n : MOST);
}
