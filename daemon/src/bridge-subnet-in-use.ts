/**
 * The subnet of the node's local network over restarts of the daemon. It may be chosen from pools that were changed since: while any
 * container has a leg of the old one it stays, as Docker's bridge does. Only who names a subnet gets it at once.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { errnoOf, type Logger } from '@swarmts/lib';
import { gatewayOf, LOCAL_LEG_PREFIX } from '@swarmts/netplugins';

export interface BridgeSubnetWish {
  /** With the gateway's address, or the subnet's own. */
  readonly subnet: string;
  /** Somebody has named it. */
  readonly isFixed: boolean;
}

/** `file` keeps it, and is gone after a reboot, as the legs are. `gateways`: addresses of the host's ends of legs. */
export function bridgeSubnetInUse(
  { subnet, isFixed }: BridgeSubnetWish,
  file: string,
  logger: Logger,
  gateways: () => ReadonlySet<string> = gatewaysOfLegs,
): string {
  const before = isFixed ? '' : read(file);
  if (before !== '' && before !== subnet && gateways().has(gatewayOf(before))) {
    const why = 'containers are on it; it changes when the daemon is started without any, or with --bip';
    logger.warn(`the subnet of the network bridge stays ${before}: ${why}`, { configured: subnet });
    return before;
  }
  if (read(file) !== subnet) writeFileSync(file, subnet, { mode: 0o600 });
  return subnet;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return '';
    throw e;
  }
}

function gatewaysOfLegs(): ReadonlySet<string> {
  const legs = Object.entries(networkInterfaces()).filter(([name]) => name.startsWith(LOCAL_LEG_PREFIX));
  return new Set(legs.flatMap(([, addresses]) => (addresses ?? []).map((a) => a.address)));
}
