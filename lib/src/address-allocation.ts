/** Addresses from the subnets of one network: one of each family that it has, whatever the number of subnets. Pure but for the pools. */
import { isSwarmtsError, SwarmtsError } from './errors.js';
import { parseIp, prefixContains } from './ip-prefix.js';
import type { SubnetPool } from './subnet-pool.js';

interface Given {
  readonly pool: SubnetPool;
  readonly address: string;
}

/**
 * One address of each of the families that there is, with its prefix length ("10.0.1.5/24"), the ones in `wishes` where given. All
 * or none: on 'resource-exhausted' and 'conflict' nothing is held.
 */
export function allocateAddresses(
  pools: readonly SubnetPool[],
  owner: string,
  wishes: readonly string[] = [],
  families: readonly (4 | 6)[] = [4, 6],
): readonly string[] {
  const given: Given[] = [];
  try {
    for (const wish of wishes) given.push(claimIn(pools, owner, wish));
    for (const family of families) {
      if (given.some((g) => g.pool.subnet.family === family)) continue;
      const candidates = pools.filter((p) => p.subnet.family === family);
      if (candidates.length > 0) given.push(allocateIn(candidates, owner));
    }
  } catch (e) {
    for (const g of given) g.pool.release(owner);
    throw e;
  }
  return given.map((g) => `${g.address}/${g.pool.subnet.bits}`);
}

/** This very address, with or without its prefix length; 'invalid-argument' when it lies in no subnet. */
export function claimAddress(pools: readonly SubnetPool[], owner: string, address: string): void {
  claimIn(pools, owner, address);
}

function claimIn(pools: readonly SubnetPool[], owner: string, wish: string): Given {
  const [text = ''] = wish.split('/');
  const pool = pools.find((p) => prefixContains(p.subnet, parseIp(text)));
  if (!pool) throw new SwarmtsError('invalid-argument', `address ${text} is in no subnet of the network`);
  return { pool, address: pool.claim(owner, text) };
}

/** From the first subnet that has one left. */
function allocateIn(pools: readonly SubnetPool[], owner: string): Given {
  let full: unknown;
  for (const pool of pools) {
    try {
      return { pool, address: pool.allocate(owner) };
    } catch (e) {
      if (!isSwarmtsError(e, 'resource-exhausted')) throw e;
      full ??= e;
    }
  }
  throw full;
}
