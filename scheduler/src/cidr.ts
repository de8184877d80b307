/** Containment of an address in a CIDR prefix, IPv4 and IPv6. */
import { isSwarmtsError, parseIp, parseIpPrefix, prefixContains } from '@swarmts/lib';

/** False for anything that is not a prefix or not an address. */
export function cidrContains(cidr: string, address: string): boolean {
  try {
    return prefixContains(parseIpPrefix(cidr), parseIp(address));
  } catch (e) {
    if (isSwarmtsError(e, 'invalid-argument')) return false;
    throw e;
  }
}
