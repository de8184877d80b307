/** What a request to make a cluster must fulfil. Source of the limits: Docker's. Pure. */
import type { InitRequest } from '@swarmts/api';
import { type IpPrefix, parseIpPrefix, prefixesOverlap, SwarmtsError } from '@swarmts/lib';
import { defaults } from '@swarmts/proto';

const MIN_DATA_PATH_PORT = 1024;
const MAX_DATA_PATH_PORT = 49_151;
/** Smaller subnets have no room for a gateway, an address of each node and containers. */
const MAX_SUBNET_BITS = 29;

type Checked = Pick<InitRequest, 'dataPathPort' | 'defaultAddrPools' | 'subnetSize'>;

/** Zero stands for the default. Throws 'invalid-argument'. */
export function validateInitRequest(r: Checked): void {
  const { dataPathPort: port } = r;
  if (port !== 0 && (port < MIN_DATA_PATH_PORT || port > MAX_DATA_PATH_PORT))
    throw bad(
      `data path port must be from ${MIN_DATA_PATH_PORT} to ${MAX_DATA_PATH_PORT}, not ${port}: --data-path-port`,
    );
  validatePools(r.defaultAddrPools, r.subnetSize || defaults.subnetSize);
}

function validatePools(texts: readonly string[], subnetBits: number): void {
  if (subnetBits > MAX_SUBNET_BITS)
    throw bad(
      `subnets of /${subnetBits} are too small, use /${MAX_SUBNET_BITS} at most: --default-addr-pool-mask-length`,
    );
  const pools = (texts.length > 0 ? texts : [defaults.addressPool]).map((text) => ({ text, prefix: parsePool(text) }));
  for (const [i, { text, prefix }] of pools.entries()) {
    if (subnetBits < prefix.bits) {
      throw bad(
        `subnets of /${subnetBits} do not fit into the address pool ${text}: use /${prefix.bits} to /${MAX_SUBNET_BITS} as --default-addr-pool-mask-length, or a larger --default-addr-pool`,
      );
    }
    const other = pools.slice(0, i).find((p) => prefixesOverlap(p.prefix, prefix));
    if (other) throw bad(`the address pools ${other.text} and ${text} overlap: leave one out of --default-addr-pool`);
  }
}

function parsePool(text: string): IpPrefix {
  const example = 'use a subnet such as 10.20.0.0/16 as --default-addr-pool';
  let prefix: IpPrefix;
  try {
    prefix = parseIpPrefix(text);
  } catch (cause) {
    throw bad(`invalid address pool ${JSON.stringify(text)}: ${example}`, cause);
  }
  if (prefix.family !== 4) throw bad(`the address pool ${text} is not of IPv4: ${example}`);
  if (prefix.bits > MAX_SUBNET_BITS) throw bad(`the address pool ${text} is too small: ${example}`);
  return prefix;
}

function bad(message: string, cause?: unknown): SwarmtsError {
  return new SwarmtsError('invalid-argument', message, { cause });
}
