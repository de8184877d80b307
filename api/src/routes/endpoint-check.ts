/** The addresses that a container is to have on networks: those that it cannot have are told when it is made, all at once. */
import { parseIp, parseIpPrefix, prefixContains, SwarmtsError } from '@swarmts/lib';
import type { Backend, NetworkWish } from '../backend.js';
import { type UserNetwork, userNetworks } from './known-networks.js';

/** Throws 'invalid-argument' in Docker's words. Networks that this node does not know are left to the start. */
export async function checkEndpoints(backend: Backend, wishes: readonly NetworkWish[]): Promise<void> {
  const fixed = wishes.filter((w) => w.addresses.length > 0);
  if (fixed.length === 0) return;
  const known = await userNetworks(backend);
  const problems = fixed.flatMap((wish) => {
    const found = problemsOf(wish, known);
    return found.length > 0 ? [`invalid config for network ${wish.target}: ${asSettings(found)}`] : [];
  });
  if (problems.length > 0) throw new SwarmtsError('invalid-argument', problems.join('\n'));
}

/** As `checkEndpoints`, of one more network. */
export async function checkEndpoint(backend: Backend, wish: NetworkWish): Promise<void> {
  const problems = wish.addresses.length > 0 ? problemsOf(wish, await userNetworks(backend)) : [];
  if (problems.length > 0) throw new SwarmtsError('invalid-argument', asSettings(problems));
}

const asSettings = (problems: readonly string[]): string => `invalid endpoint settings:\n${problems.join('\n')}`;

function problemsOf({ target, addresses }: NetworkWish, known: readonly UserNetwork[]): readonly string[] {
  const found = known.find(({ network: n }) => n.id === target || n.spec?.annotations?.name === target);
  if (!found) return [];
  const subnets = (found.network.ipam?.configs ?? []).map((c) => parseIpPrefix(c.subnet));
  const outside = addresses.filter((a) => !subnets.some((s) => prefixContains(s, parseIp(a))));
  return outside.map((a) => `no configured subnet contains IP address ${a}`);
}
