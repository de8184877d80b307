/**
 * Which names a network has, from what the managers say of it. Pure. A service's name and aliases give its VIP, or with dnsrr its
 * tasks; `tasks.` before one of them and a container's own names always give tasks. Only ready ones are found.
 */
import type { NetworkEndpoint } from '@swarmts/proto';
import { hasVip, readyByService } from '../overlay/backends.js';
import { type NetworkView, nameOf, subnetsOf } from '../overlay/network-view.js';

/** The names of one network. Lists of addresses are replaced, never changed. */
export interface NetworkNames {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly string[];
  /** Addresses of both families by name, in lower case. A known name without addresses is an empty list. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Name by address. */
  readonly reverse: ReadonlyMap<string, string>;
}

/** Plain data, sent to the name server: all of a network that it does not know, or what has changed of one. */
export interface NamesChange extends Pick<NetworkNames, 'id' | 'name' | 'subnets'> {
  readonly names: readonly (readonly [name: string, addresses: readonly string[]])[];
  readonly removedNames: readonly string[];
  readonly reverse: readonly (readonly [address: string, name: string])[];
  readonly removedAddresses: readonly string[];
}

/** Views are replaced when they change, and most changes are one network's. */
const known = new WeakMap<NetworkView, NetworkNames>();

/** The same view has the same names, as one object. */
export function namesOf(v: NetworkView): NetworkNames {
  const made = known.get(v) ?? gather(v);
  known.set(v, made);
  return made;
}

function gather(v: NetworkView): NetworkNames {
  const names = new Map<string, readonly string[]>();
  const reverse = new Map<string, string>();
  const add = (name: string, addresses: readonly string[]) => {
    const key = name.toLowerCase();
    const before = names.get(key);
    names.set(key, before ? [...new Set([...before, ...addresses])] : addresses);
  };
  const network = nameOf(v);
  const ready = readyByService(v);
  for (const s of v.services.values()) {
    const tasks = addressesOf(ready.get(s.serviceId) ?? []);
    const own = hasVip(s) ? s.virtualIps : tasks;
    for (const name of new Set([s.name, ...s.aliases])) {
      add(name, own);
      add(`tasks.${name}`, tasks);
    }
    for (const vip of s.virtualIps) reverse.set(vip, `${s.name}.${network}`);
  }
  const ofServices = new Set(names.keys());
  for (const e of v.endpoints.values()) {
    for (const address of e.addresses) reverse.set(address, `${e.name}.${network}`);
    if (!e.ready) continue;
    add(e.name, e.addresses);
    for (const alias of e.aliases) {
      // What is a service's stays its own: a task may be called the same.
      const isTaken = e.serviceId !== '' && ofServices.has(alias.toLowerCase());
      if (alias !== e.name && !isTaken) add(alias, e.addresses);
    }
  }
  return { id: v.id, name: network.toLowerCase(), subnets: subnetsOf(v.network).map((s) => s.cidr), names, reverse };
}

/** What leads from one to the other; undefined when they are equal. */
export function changeOfNames(before: NetworkNames | undefined, after: NetworkNames): NamesChange | undefined {
  if (before === after) return undefined;
  const { id, name, subnets } = after;
  const known = before?.names ?? new Map<string, readonly string[]>();
  const pointers = before?.reverse ?? new Map<string, string>();
  const change: NamesChange = {
    id,
    name,
    subnets,
    names: [...after.names].filter(([key, addresses]) => !sameList(known.get(key), addresses)),
    removedNames: [...known.keys()].filter((key) => !after.names.has(key)),
    reverse: [...after.reverse].filter(([address, of]) => pointers.get(address) !== of),
    removedAddresses: [...pointers.keys()].filter((address) => !after.reverse.has(address)),
  };
  const count =
    change.names.length + change.removedNames.length + change.reverse.length + change.removedAddresses.length;
  return before && count === 0 && before.name === name && sameList(before.subnets, subnets) ? undefined : change;
}

/** The names after a change. Of those before nothing is kept: their maps are the new ones. */
export function withChange(before: NetworkNames | undefined, c: NamesChange): NetworkNames {
  const names = (before?.names ?? new Map()) as Map<string, readonly string[]>;
  const reverse = (before?.reverse ?? new Map()) as Map<string, string>;
  for (const [name, addresses] of c.names) names.set(name, addresses);
  for (const name of c.removedNames) names.delete(name);
  for (const [address, name] of c.reverse) reverse.set(address, name);
  for (const address of c.removedAddresses) reverse.delete(address);
  return { id: c.id, name: c.name, subnets: c.subnets, names, reverse };
}

function sameList(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a === b || (a?.length === b.length && a.every((x, i) => x === b[i]));
}

function addressesOf(endpoints: readonly NetworkEndpoint[]): readonly string[] {
  return endpoints.flatMap((e) => e.addresses);
}
