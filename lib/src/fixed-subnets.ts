/** Subnets that a user fixes for a network: what may be asked for, and the gateways that are filled in. Pure. The words are Docker's. */
import { SwarmtsError } from './errors.js';
import {
  formatIp,
  formatIpPrefix,
  type IpAddress,
  type IpPrefix,
  parseIp,
  parseIpPrefix,
  prefixContains,
  prefixesOverlap,
  prefixSize,
} from './ip-prefix.js';
import { edgesOf, type SubnetConfig } from './subnet-pool.js';

/** Two edges and a gateway leave one for a container. */
const SMALLEST_SUBNET = 4n;

/** Throws 'invalid-argument' with everything that is wrong. IPv6 subnets of a network without IPv6 are not looked at: they are left out. */
export function checkSubnets(configs: readonly SubnetConfig[], ipv6: boolean): void {
  const wrong = configs.flatMap((c) => problemsOf(c, ipv6));
  if (wrong.length === 0) return;
  const [first = ''] = wrong;
  const list = wrong.length === 1 ? first : `* ${wrong.join('\n* ')}`;
  throw new SwarmtsError('invalid-argument', `invalid network config:\n${list}`);
}

/**
 * The subnets with their gateways, in canonical form. `overlap` makes the error for a subnet that overlaps with one that is taken, or with
 * another one of the same network.
 */
export function fixedSubnets<C extends SubnetConfig>(
  configs: readonly C[],
  options: {
    readonly ipv6: boolean;
    readonly taken: readonly IpPrefix[];
    readonly overlap: (subnet: string, other: string) => SwarmtsError;
  },
): readonly C[] {
  checkSubnets(configs, options.ipv6);
  const taken = [...options.taken];
  const given = configs.filter((c) => c.subnet !== '' && (options.ipv6 || !c.subnet.includes(':')));
  return given.map((c) => {
    const subnet = parseIpPrefix(c.subnet);
    const clash = taken.find((t) => prefixesOverlap(t, subnet));
    if (clash) throw options.overlap(c.subnet, formatIpPrefix(clash));
    taken.push(subnet);
    const fixed = withGateway({ ...c, subnet: formatIpPrefix(subnet) });
    refuseTaken(fixed, edgesOf(subnet));
    return fixed;
  });
}

/** In canonical form, as the kernel shows it. Where none is given: the first address of what containers get theirs from. */
export function withGateway<C extends SubnetConfig>(c: C): C {
  if (c.gateway !== '') return { ...c, gateway: formatIp(parseIp(c.gateway)) };
  const subnet = parseIpPrefix(c.subnet);
  const { family, base } = c.ipRange === '' ? subnet : parseIpPrefix(c.ipRange);
  return { ...c, gateway: formatIp({ family, value: base === subnet.base ? base + 1n : base }) };
}

/** A gateway at the edge of its subnet, and reserved addresses that are there or are the gateway's. */
function refuseTaken({ subnet, gateway, reserved }: SubnetConfig, edges: readonly bigint[]): void {
  const refuse = (what: string, owner: string) => {
    throw new SwarmtsError('invalid-argument', `failed to allocate ${what}: Address already in use: it is ${owner}`);
  };
  const isEdge = (address: string) => edges.includes(parseIp(address).value);
  const edge = `the first or last address of ${subnet}`;
  if (isEdge(gateway)) refuse(`gateway (${gateway})`, edge);
  for (const [name, address] of Object.entries(reserved)) {
    const what = `secondary ip address (${name}:${address})`;
    if (parseIp(address).value === parseIp(gateway).value) refuse(what, "the gateway's");
    if (isEdge(address)) refuse(what, edge);
  }
}

function problemsOf(c: SubnetConfig, ipv6: boolean): readonly string[] {
  if (c.subnet === '') return c.ipRange === '' && c.gateway === '' ? [] : [`invalid subnet ${c.subnet}: ${NO_PREFIX}`];
  const subnet = prefixIn(c.subnet);
  if (!subnet) return [`invalid subnet ${c.subnet}: ${NO_PREFIX}`];
  if (subnet.family === 6 && !ipv6) return [];
  const canonical = canonicalOf(c.subnet, subnet);
  const small = prefixSize(subnet) < SMALLEST_SUBNET ? ['it has no room for containers'] : [];
  const problems = [...canonical, ...small].map((why) => `invalid subnet ${c.subnet}: ${why}`);
  const reserved = Object.entries(c.reserved);
  return [
    ...problems,
    ...rangeProblems(c.ipRange, subnet).map((why) => `invalid ip-range ${c.ipRange}: ${why}`),
    ...(c.gateway === '' ? [] : addressProblems(c.gateway, subnet)).map(
      (why) => `invalid gateway ${c.gateway}: ${why}`,
    ),
    ...reserved.flatMap(([name, a]) =>
      addressProblems(a, subnet).map((why) => `invalid auxiliary address ${name}: ${why}`),
    ),
  ];
}

const NO_PREFIX = 'invalid CIDR block notation';

function rangeProblems(text: string, subnet: IpPrefix): readonly string[] {
  if (text === '') return [];
  const range = prefixIn(text);
  if (!range) return [NO_PREFIX];
  if (range.family !== subnet.family) return [`parent subnet is an IPv${subnet.family} block`];
  const within = formatIpPrefix(subnet);
  return [
    ...(range.bits < subnet.bits ? [`CIDR block is bigger than its parent subnet ${within}`] : []),
    ...canonicalOf(text, range),
    ...(prefixesOverlap(subnet, range) ? [] : [`parent subnet ${within} doesn't contain ip-range`]),
  ];
}

function addressProblems(text: string, subnet: IpPrefix): readonly string[] {
  const address = addressIn(text);
  if (!address) return ['invalid address'];
  if (address.family !== subnet.family) return [`parent subnet is an IPv${subnet.family} block`];
  const contains = prefixContains(subnet, address);
  return contains ? [] : [`parent subnet ${formatIpPrefix(subnet)} doesn't contain this address`];
}

function canonicalOf(text: string, prefix: IpPrefix): readonly string[] {
  const [address = ''] = text.split('/');
  return parseIp(address).value === prefix.base ? [] : [`it should be ${formatIpPrefix(prefix)}`];
}

function prefixIn(text: string): IpPrefix | undefined {
  try {
    return parseIpPrefix(text);
  } catch {
    return undefined;
  }
}

function addressIn(text: string): IpAddress | undefined {
  try {
    return parseIp(text);
  } catch {
    return undefined;
  }
}
