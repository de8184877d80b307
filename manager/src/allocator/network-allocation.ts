/**
 * What a network gets when it is made: subnets from the cluster's pools or as the user fixed them, gateways, a VNI. Pure: the
 * networks that exist and the cluster's settings in, the finished object out. Two networks never overlap.
 */
import {
  firstFreePrefix,
  fixedSubnets,
  formatIpPrefix,
  type IpPrefix,
  parseIp,
  parseIpPrefix,
  prefixesOverlap,
  SwarmtsError,
  withGateway,
} from '@swarmts/lib';
import {
  type Cluster,
  Driver,
  defaults,
  IpamConfig,
  IpamOptions,
  type Network,
  type NetworkSpec,
} from '@swarmts/proto';

/** VNIs as Docker counts them: from 4096 up to what 24 bits hold. */
export const FIRST_VNI = 4096;
const LAST_VNI = 2 ** 24 - 1;
/** Where Docker's clients look for the VNI. */
export const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';
/** Every task with a published port needs an address there. */
const INGRESS_BITS = 16;
/** Unique local prefix that IPv6 subnets without a wish are cut from. */
const IPV6_POOL = 'fd5a:7273::/48';
const IPV6_SUBNET_BITS = 64;

export interface AllocationView {
  readonly networks: readonly Network[];
  readonly cluster: Cluster | undefined;
  /** Networks that were removed while tasks on them still stop: what is chosen is none of theirs, what is asked for may be. */
  readonly leaving: readonly Network[];
  /** Underlay addresses of the nodes: a subnet that is chosen never hides one. */
  readonly nodeAddresses: readonly string[];
}

/** The driver state and addressing of a new network. Throws 'conflict' on overlap, 'resource-exhausted' when a pool is used up. */
export function allocateNetwork(spec: NetworkSpec, view: AllocationView): Pick<Network, 'driverState' | 'ipam'> {
  const taken = view.networks.flatMap(subnetsOf);
  const configs = [...fixedSubnets(spec.ipam?.configs ?? [], { ipv6: spec.ipv6Enabled, taken, overlap })];
  const families = new Set(configs.map((c) => parseIpPrefix(c.subnet).family));
  const leaving = view.leaving.flatMap(subnetsOf);
  if (!families.has(4)) configs.unshift(withGateway(freeSubnet(spec, view, taken, leaving)));
  if (spec.ipv6Enabled && !families.has(6)) configs.push(withGateway(freeIpv6Subnet([...taken, ...leaving])));
  const vni = freeVni(spec, view);
  return {
    driverState: Driver.create({
      name: 'overlay',
      options: { ...spec.driver?.options, [VNI_OPTION]: String(vni) },
    }),
    ipam: IpamOptions.create({
      driver: Driver.create({ name: spec.ipam?.driver?.name || 'default', options: spec.ipam?.driver?.options ?? {} }),
      configs,
    }),
  };
}

export function vniOf(n: Network): number {
  return Number(n.driverState?.options[VNI_OPTION] ?? 0);
}

export function subnetsOf(n: Network): readonly IpPrefix[] {
  return (n.ipam?.configs ?? []).map((c) => parseIpPrefix(c.subnet));
}

function overlap(subnet: string, other: string): SwarmtsError {
  const what = 'Pool overlaps with other one on this address space';
  return new SwarmtsError('conflict', `${what}: ${subnet} and ${other}`);
}

/** One that is just being left is better than none. */
function freeSubnet(
  spec: NetworkSpec,
  view: AllocationView,
  taken: readonly IpPrefix[],
  leaving: readonly IpPrefix[],
): IpamConfig {
  const pools = view.cluster?.defaultAddressPools ?? [];
  const subnetBits = view.cluster?.subnetSize || defaults.subnetSize;
  const prefixes = (pools.length > 0 ? pools : [defaults.addressPool])
    .map((p) => parseIpPrefix(p))
    .filter((p) => p.family === 4);
  const nodes = view.nodeAddresses.flatMap(hostPrefix);
  for (const busy of [[...taken, ...leaving], taken]) {
    for (const pool of prefixes) {
      const bits = Math.max(pool.bits, spec.ingress ? ingressBits(pool, subnetBits) : subnetBits);
      const found = firstFreePrefix(pool, bits, [...busy, ...nodes]);
      if (found) return IpamConfig.create({ subnet: formatIpPrefix(found) });
    }
  }
  throw new SwarmtsError(
    'resource-exhausted',
    `could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network: ${pools.join(', ')} (subnets of ${subnetBits} bits)`,
  );
}

/** A /16, or a quarter of a smaller pool. */
function ingressBits(pool: IpPrefix, subnetBits: number): number {
  return Math.min(Math.max(INGRESS_BITS, pool.bits + 2), Math.max(subnetBits, INGRESS_BITS));
}

function freeIpv6Subnet(taken: readonly IpPrefix[]): IpamConfig {
  const found = firstFreePrefix(parseIpPrefix(IPV6_POOL), IPV6_SUBNET_BITS, taken);
  if (!found) throw new SwarmtsError('resource-exhausted', `all subnets of ${IPV6_POOL} are in use`);
  return IpamConfig.create({ subnet: formatIpPrefix(found) });
}

/** The network that has the address of a machine among its own: tasks on it cannot reach that machine, nor its node theirs. */
export function networkHiding(address: string, networks: readonly Network[]): Network | undefined {
  const hosts = hostPrefix(address);
  return networks.find((n) => subnetsOf(n).some((s) => hosts.some((h) => prefixesOverlap(s, h))));
}

function hostPrefix(address: string): IpPrefix[] {
  try {
    const { family, value } = parseIp(address);
    return [{ family, base: value, bits: family === 4 ? 32 : 128 }];
  } catch {
    // A node that advertises a name has no address that could be hidden.
    return [];
  }
}

function freeVni(spec: NetworkSpec, { networks, leaving }: AllocationView): number {
  const used = new Map(networks.map((n) => [vniOf(n), n.spec?.annotations?.name ?? n.id]));
  const wish = spec.driver?.options[VNI_OPTION];
  if (wish !== undefined) return wishedVni(wish, used);
  const busy = new Set(leaving.map(vniOf));
  for (let vni = FIRST_VNI; vni <= LAST_VNI; vni++) if (!used.has(vni) && !busy.has(vni)) return vni;
  throw new SwarmtsError('resource-exhausted', 'all VXLAN network identifiers are in use');
}

function wishedVni(wish: string, used: ReadonlyMap<number, string>): number {
  const vni = Number(wish);
  if (!Number.isInteger(vni) || vni < 1 || vni > LAST_VNI)
    throw new SwarmtsError('invalid-argument', `invalid VXLAN network identifier ${wish}: 1 to ${LAST_VNI}`);
  const owner = used.get(vni);
  if (owner !== undefined)
    throw new SwarmtsError('conflict', `VXLAN network identifier ${vni} is in use by network ${owner}`);
  return vni;
}
