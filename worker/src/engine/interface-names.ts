/**
 * Names of a container's interfaces: the one that its place on a network asks for, or the first free number behind the prefix of the
 * network. Pure.
 */
import { SwarmtsError } from '@swarmts/lib';
import { checkInterfaceName, ENDPOINT_IFNAME, type Network } from '@swarmts/proto';
import type { NetworkWish } from './container-config.js';

const PREFIX = 'com.docker.network.container_iface_prefix';
const USUAL_PREFIX = 'eth';

/** Throws 'invalid-argument' for a prefix that no interface can have. */
export function checkInterfacePrefix(options: Readonly<Record<string, string>>): void {
  const prefix = options[PREFIX] ?? '';
  if (prefix !== '') checkInterfaceName(`${prefix}0`, `${PREFIX} ${JSON.stringify(prefix)}`);
}

/** `taken`: names that the container has already. Throws 'conflict' where the name that is asked for is one of them. */
export function interfaceName(
  { driverOptions, target }: Pick<NetworkWish, 'driverOptions' | 'target'>,
  network: Network | undefined,
  taken: ReadonlySet<string>,
): string {
  const asked = driverOptions?.[ENDPOINT_IFNAME] ?? '';
  if (asked !== '') {
    checkInterfaceName(asked, `${ENDPOINT_IFNAME} ${JSON.stringify(asked)}`);
    if (!taken.has(asked)) return asked;
    throw new SwarmtsError(
      'conflict',
      `the interface on network ${target} cannot be ${asked}: another one has the name`,
    );
  }
  const prefix = network?.driverState?.options[PREFIX] || USUAL_PREFIX;
  let n = 0;
  while (taken.has(`${prefix}${n}`)) n++;
  return `${prefix}${n}`;
}

/** Of all networks of a container that is about to be started. Those that ask for a name get it whatever comes before. */
export function interfaceNames(
  wishes: readonly NetworkWish[],
  networkOf: (wish: NetworkWish) => Network | undefined,
): ReadonlyMap<NetworkWish, string> {
  const taken = new Set<string>();
  const names = new Map<NetworkWish, string>();
  const asks = (w: NetworkWish) => (w.driverOptions?.[ENDPOINT_IFNAME] ? 0 : 1);
  for (const wish of [...wishes].sort((a, b) => asks(a) - asks(b))) {
    const name = interfaceName(wish, networkOf(wish), taken);
    taken.add(name);
    names.set(wish, name);
  }
  return new Map(wishes.map((w) => [w, names.get(w) ?? '']));
}
