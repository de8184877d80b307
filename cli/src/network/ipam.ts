/** The subnet flags of `network create`: which gateway, range and address belongs to which subnet. Pure. */
import { isIP } from 'node:net';
import { parseIp, parseIpPrefix, prefixContains } from '@swarmts/lib';
import { CommandError } from '../exit.js';

export interface IpamConfigJson {
  readonly Subnet: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

/** One entry per subnet; what lies in none of them is an error, and so are overlapping subnets' second gateways. */
export function ipamConfigs(
  subnets: readonly string[],
  ranges: readonly string[],
  gateways: readonly string[],
  auxiliary: readonly (readonly [string, string])[],
): readonly IpamConfigJson[] {
  const configs = subnets.flatMap((s) => s.split(',')).map((Subnet): IpamConfigJson => ({ Subnet }));
  const put = (what: string, address: string, change: (c: IpamConfigJson) => IpamConfigJson) => {
    const at = configs.findIndex((c) => contains(c.Subnet, address));
    const found = configs[at];
    if (!found) throw new CommandError(`no matching subnet for ${what} ${address}`);
    configs[at] = change(found);
  };
  for (const IPRange of ranges.flatMap((r) => r.split(','))) put('range', IPRange, (c) => ({ ...c, IPRange }));
  for (const Gateway of gateways.flatMap((g) => g.split(','))) {
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
  try {
    return prefixContains(parseIpPrefix(subnet), parseIp(ip));
  } catch {
    throw new CommandError(`invalid subnet ${subnet}: it needs an address and a prefix length, such as 10.1.0.0/24`);
  }
}
