/** The subnet flags of `network create`: which gateway, range and address belongs to which subnet. Pure. */
import { isIP } from 'node:net';
import { type IpPrefix, parseIp, parseIpPrefix, prefixContains, prefixesOverlap } from '@swarmts/lib';
import { CommandError } from '../exit.js';

export interface IpamConfigJson {
  readonly Subnet: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

/** One entry per subnet; what lies in none of them is an error, and so are overlapping subnets, second ranges and second gateways. */
export function ipamConfigs(
  subnets: readonly string[],
  ranges: readonly string[],
  gateways: readonly string[],
  auxiliary: readonly (readonly [string, string])[],
): readonly IpamConfigJson[] {
  const configs = lists(subnets).map((Subnet): IpamConfigJson => ({ Subnet }));
  if (configs.length < lists(ranges).length || configs.length < lists(gateways).length)
    throw new CommandError('every ip-range or gateway must have a corresponding subnet');
  if (configs.some((c, i) => configs.slice(0, i).some((other) => overlap(c.Subnet, other.Subnet))))
    throw new CommandError('multiple overlapping subnet configuration is not supported');
  const put = (what: string, address: string, change: (c: IpamConfigJson) => IpamConfigJson) => {
    const at = configs.findIndex((c) => contains(c.Subnet, address));
    const found = configs[at];
    if (!found) throw new CommandError(`no matching subnet for ${what} ${address}`);
    configs[at] = change(found);
  };
  for (const IPRange of lists(ranges)) {
    put('range', IPRange, (c) => {
      if (c.IPRange !== undefined)
        throw new CommandError(
          `cannot configure multiple ranges (${IPRange}, ${c.IPRange}) on the same subnet (${c.Subnet})`,
        );
      return { ...c, IPRange };
    });
  }
  for (const Gateway of lists(gateways)) {
    put('gateway', Gateway, (c) => {
      if (c.Gateway !== undefined)
        throw new CommandError(
          `cannot configure multiple gateways (${Gateway}, ${c.Gateway}) for the same subnet (${c.Subnet})`,
        );
      return { ...c, Gateway };
    });
  }
  for (const [name, address] of auxiliary) {
    put('aux-address', address, (c) => ({ ...c, AuxiliaryAddresses: { ...c.AuxiliaryAddresses, [name]: address } }));
  }
  return configs;
}

function contains(subnet: string, address: string): boolean {
  const [ip = ''] = address.split('/');
  if (isIP(ip) === 0) throw new CommandError(`invalid address: ${address}`);
  return prefixContains(prefixIn(subnet), parseIp(ip));
}

/** Flags may be repeated, and each may have several, with commas between them. */
function lists(values: readonly string[]): readonly string[] {
  return values.flatMap((v) => v.split(','));
}

function overlap(a: string, b: string): boolean {
  return prefixesOverlap(prefixIn(a), prefixIn(b));
}

function prefixIn(subnet: string): IpPrefix {
  try {
    return parseIpPrefix(subnet);
  } catch {
    throw new CommandError(`invalid subnet ${subnet}: it needs an address and a prefix length, such as 10.1.0.0/24`);
  }
}
