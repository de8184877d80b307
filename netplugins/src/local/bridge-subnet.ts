/**
 * The subnet of the node's local network, from what dockerd's flags say of it: `--bip` is the gateway's address with the length of the
 * prefix (a subnet's own address stands for its first one), `--fixed-cidr` the part that containers get addresses of. Pure.
 */
import {
  formatIp,
  formatIpPrefix,
  type IpPrefix,
  parseIp,
  parseIpPrefix,
  prefixContains,
  SubnetPool,
  SwarmtsError,
} from '@swarmts/lib';

const MIN_BITS = 8;
const MAX_BITS = 30;

export interface BridgeSubnet {
  readonly cidr: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly pool: SubnetPool;
}

export function bridgeSubnet(bip: string, fixedCidr = ''): BridgeSubnet {
  const subnet = readIpv4(bip, 'bip');
  if (subnet.bits < MIN_BITS || subnet.bits > MAX_BITS) {
    throw new SwarmtsError('invalid-argument', `bip ${bip} is not an IPv4 subnet of ${MIN_BITS} to ${MAX_BITS} bits`);
  }
  const own = parseIp(bip.split('/')[0] ?? '').value;
  const gateway = formatIp({ family: 4, value: own === subnet.base ? subnet.base + 1n : own });
  const cidr = formatIpPrefix(subnet);
  const ipRange = fixedCidr === '' ? '' : rangeIn(subnet, fixedCidr, cidr);
  return {
    cidr,
    prefixLength: subnet.bits,
    gateway,
    pool: SubnetPool.of({ subnet: cidr, ipRange, gateway, reserved: {} }),
  };
}

/** The gateway's address in what `bridgeSubnet` reads. */
export function gatewayOf(bip: string): string {
  return bridgeSubnet(bip).gateway;
}

function rangeIn(subnet: IpPrefix, fixedCidr: string, cidr: string): string {
  const range = readIpv4(fixedCidr, 'fixed-cidr');
  if (range.bits < subnet.bits || !prefixContains(subnet, { family: 4, value: range.base })) {
    throw new SwarmtsError('invalid-argument', `fixed-cidr ${fixedCidr} does not lie in ${cidr}, the subnet of bip`);
  }
  return formatIpPrefix(range);
}

function readIpv4(text: string, flag: string): IpPrefix {
  try {
    const prefix = parseIpPrefix(text);
    if (prefix.family === 4 && text.includes('/')) return prefix;
  } catch {
    // Said below.
  }
  throw new SwarmtsError(
    'invalid-argument',
    `${flag} ${JSON.stringify(text)} is not an IPv4 prefix such as 172.30.0.1/16`,
  );
}
