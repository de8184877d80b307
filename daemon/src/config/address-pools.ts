/** Where the subnets of networks of this node come from: "base=10.10.0.0/16,size=24" as a flag, {"base": ..., "size": 24} in the file. */
import { firstFreePrefix, formatIpPrefix, messageOf, parseIpPrefix, prefixesOverlap, SwarmtsError } from '@swarmts/lib';
import type { AddressPool } from '@swarmts/worker';

/** Throws SwarmtsError 'invalid-argument' that names the pool. */
export function addressPools(value: unknown): readonly AddressPool[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw bad(JSON.stringify(value), 'use a list of {"base": SUBNET, "size": BITS}');
  const pools = value.map(addressPool);
  for (const [i, pool] of pools.entries()) {
    const other = pools.slice(0, i).find((p) => prefixesOverlap(parseIpPrefix(p.base), parseIpPrefix(pool.base)));
    if (other) throw bad(pool.base, `it overlaps with ${other.base}`);
  }
  return pools;
}

/** The first one of IPv4 that there is. */
export function firstSubnet(pools: readonly AddressPool[]): string | undefined {
  const pool = pools.find((p) => parseIpPrefix(p.base).family === 4);
  const found = pool && firstFreePrefix(parseIpPrefix(pool.base), pool.bits, []);
  return found && formatIpPrefix(found);
}

function addressPool(value: unknown): AddressPool {
  const { base, size } = typeof value === 'string' ? fieldsOf(value) : ((value ?? {}) as Record<string, unknown>);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof base !== 'string') throw bad(text, 'it has no base, such as 10.10.0.0/16');
  const bits = Number(size);
  let prefix: ReturnType<typeof parseIpPrefix>;
  try {
    prefix = parseIpPrefix(base);
  } catch (e) {
    throw bad(text, messageOf(e));
  }
  const most = prefix.family === 4 ? 29 : 125;
  if (!Number.isInteger(bits) || bits < prefix.bits || bits > most)
    throw bad(text, `the size of its subnets has to be from ${prefix.bits} to ${most}`);
  return { base: formatIpPrefix(prefix), bits };
}

function fieldsOf(text: string): Record<string, unknown> {
  return Object.fromEntries(
    text.split(',').map((field) => {
      const [, key, value] = /^(base|size)=(.+)$/.exec(field.trim()) ?? [];
      if (key === undefined) throw bad(text, 'use base=SUBNET,size=BITS');
      return [key, value];
    }),
  );
}

function bad(pool: string, why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `invalid default-address-pool ${pool}: ${why}`);
}
