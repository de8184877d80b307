/**
 * Which names a network has, from what the managers say of it. Pure. A service's name and aliases give its VIP, or with dnsrr its
 * tasks; `tasks.<service>` and a container's own name always give tasks. Only ready ones are found.
 */
import type { NetworkEndpoint } from '@swarmts/proto';
import { hasVip, readyByService } from '../overlay/backends.js';
import { type NetworkView, nameOf, subnetsOf } from '../overlay/network-view.js';

/** The names of one network: plain data, sent to the name server. */
export interface NetworkNames {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly string[];
  /** Addresses of both families by name, in lower case. A known name without addresses is an empty list. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** Name by address. */
  readonly reverse: Readonly<Record<string, string>>;
}

export function namesOf(v: NetworkView): NetworkNames {
  const names = new Map<string, string[]>();
  const reverse = new Map<string, string>();
  const add = (name: string, addresses: readonly string[]) => {
    const key = name.toLowerCase();
    names.set(key, [...(names.get(key) ?? []), ...addresses]);
  };
  const network = nameOf(v);
  const ready = readyByService(v);
  for (const s of v.services.values()) {
    const tasks = addressesOf(ready.get(s.serviceId) ?? []);
    const own = hasVip(s) ? s.virtualIps : tasks;
    add(s.name, own);
    for (const alias of s.aliases) if (alias !== s.name) add(alias, own);
    add(`tasks.${s.name}`, tasks);
    for (const vip of s.virtualIps) reverse.set(vip, `${s.name}.${network}`);
  }
  for (const e of v.endpoints.values()) {
    for (const address of e.addresses) reverse.set(address, `${e.name}.${network}`);
    if (!e.ready) continue;
    add(e.name, e.addresses);
    // A service's aliases are its own; those of a plain container stand for it alone.
    if (e.serviceId === '') for (const alias of e.aliases) if (alias !== e.name) add(alias, e.addresses);
  }
  return {
    id: v.id,
    name: network.toLowerCase(),
    subnets: subnetsOf(v.network).map((s) => s.cidr),
    names: Object.fromEntries([...names].map(([k, a]) => [k, [...new Set(a)]])),
    reverse: Object.fromEntries(reverse),
  };
}

function addressesOf(endpoints: readonly NetworkEndpoint[]): readonly string[] {
  return endpoints.flatMap((e) => e.addresses);
}
