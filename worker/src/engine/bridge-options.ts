/** Options of bridge networks that are about the host: where ports are published, and how containers get out. Pure. */
import { isIP } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { type Network, networkDriver } from '@swarmts/proto';
import type { PublishedPort } from './container-config.js';

const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
const BINDING = 'com.docker.network.bridge.host_binding_ipv4';
const OFF = /^(0|f|false)$/i;

/** Throws SwarmtsError for what would be without effect otherwise. */
export function checkBridgeOptions(options: Readonly<Record<string, string>>): void {
  const binding = options[BINDING];
  if (binding !== undefined && isIP(binding) === 0) {
    throw new SwarmtsError('invalid-argument', `failed to parse ${BINDING} value: ${binding} (nil ip)`);
  }
  if (OFF.test(options[MASQUERADE] ?? '')) {
    const why = 'containers get out under the addresses of their node, whatever network they are on';
    throw new SwarmtsError('unsupported', `${MASQUERADE}=false is not supported: ${why}; --internal keeps them in`);
  }
}

/** Ports that name no address of the host are on the one that a network names, the first of those that do. */
export function boundPorts(
  ports: readonly PublishedPort[],
  networks: readonly (Network | undefined)[],
): readonly PublishedPort[] {
  const hostIp = networks.map(bindingOf).find((b) => b !== '');
  return hostIp === undefined ? ports : ports.map((p) => (p.hostIp ? p : { ...p, hostIp }));
}

function bindingOf(network: Network | undefined): string {
  if (!network || networkDriver(network) !== 'bridge') return '';
  return network.driverState?.options[BINDING] ?? '';
}
