/**
 * Where a container's default route leads. By itself a network of the node's own devices has it, and without one the way out, which is the
 * same for all other networks; clients decide otherwise by priorities. Pure.
 */
import { SwarmtsError } from '@swarmts/lib';
import { macvlanOf, type RoutedAttachment } from '@swarmts/netplugins';
import type { Network } from '@swarmts/proto';
import type { NetworkWish } from './container-config.js';

/** A network that a container is on, or is about to be. */
export interface GatewayPlace {
  readonly network: Network | undefined;
  /** Another network goes before it. */
  readonly leavesDefault: boolean;
}

type Priority = Pick<NetworkWish, 'gatewayPriority'>;

/** Whether a network of the node's own devices leaves the default route to one of the others. */
export function leavesDefault(network: Network | undefined, wish: Priority, others: readonly Priority[]): boolean {
  return network !== undefined && macvlanOf(network) !== undefined && priorityOf(wish) < highest(others);
}

export function placesOf(routed: readonly RoutedAttachment[]): readonly GatewayPlace[] {
  return routed.map(({ network, leg }) => ({ network, leavesDefault: leg.leavesDefault === true }));
}

/** One that is on these networks, and not on the node's own. */
export function needsWayOut(places: readonly GatewayPlace[]): boolean {
  const hasOwn = places.some((p) => p.network && macvlanOf(p.network) && !p.leavesDefault);
  return !hasOwn && places.length > 0 && !areInternal(places);
}

export function areInternal(places: readonly { readonly network?: Network | undefined }[]): boolean {
  return places.every((p) => p.network?.spec?.internal ?? false);
}

/** A network of the node's own devices takes the default route with it; it stays where it is otherwise. Throws 'unsupported'. */
export function refuseMove(
  network: Network | undefined,
  wish: NetworkWish,
  others: readonly Priority[],
  places: readonly GatewayPlace[],
): void {
  const holdsIt = places.some((p) => p.network && macvlanOf(p.network) && !p.leavesDefault);
  const takesIt = network !== undefined && macvlanOf(network) !== undefined;
  if (!holdsIt || takesIt || priorityOf(wish) <= highest(others)) return;
  const what = `the default route of a container that runs cannot be moved to network ${wish.target}`;
  throw new SwarmtsError('unsupported', `${what}: stop it, connect it, and start it again`);
}

const priorityOf = ({ gatewayPriority = 0 }: Priority): number => gatewayPriority;
const highest = (wishes: readonly Priority[]): number => Math.max(...wishes.map(priorityOf));
