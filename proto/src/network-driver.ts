/** Which driver makes a network. */
import { SwarmtsError } from '@swarmts/lib';
import type { Network, NetworkSpec } from './gen/index.js';

/** Name of the driver of a network; one that is nothing but a configuration has none. */
export function networkDriver({ spec, driverState }: Partial<Pick<Network, 'spec' | 'driverState'>>): string {
  if (spec?.configOnly) return 'null';
  return driverState?.name || spec?.driver?.name || 'overlay';
}

/** A network of the swarm that each node makes for itself: with addresses of its own, and no way to the other nodes. */
export function isNodeLocal(network: Partial<Pick<Network, 'spec' | 'driverState'>>): boolean {
  return networkDriver(network) !== 'overlay';
}

/** What a network takes from another one it has not itself. Throws SwarmtsError in Docker's words. */
export function refuseOwnConfiguration(spec: NetworkSpec): void {
  if (spec.configFrom === '' || !hasOwnConfiguration(spec)) return;
  throw new SwarmtsError(
    'permission-denied',
    'user specified configurations are not supported if the network depends on a configuration network',
  );
}

function hasOwnConfiguration(s: NetworkSpec): boolean {
  const subnets = (s.ipam?.configs ?? []).filter((c) => c.subnet !== '' || c.gateway !== '' || c.ipRange !== '');
  const filled = [s.annotations?.labels, s.driver?.options].some((o) => Object.keys(o ?? {}).length > 0);
  return s.ipv6Enabled || s.ipv4Disabled || subnets.length > 0 || filled;
}
