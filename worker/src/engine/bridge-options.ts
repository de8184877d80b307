/** Options of bridge networks that are about the host: where ports are published, and how containers get out. Pure. */
import { isIP } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { type Network, networkDriver } from '@swarmts/proto';
import type { PublishedPort } from './container-config.js';
import { checkInterfacePrefix } from './interface-names.js';

const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
const BINDING = 'com.docker.network.bridge.host_binding_ipv4';
const GATEWAY_MODES = ['com.docker.network.bridge.gateway_mode_ipv4', 'com.docker.network.bridge.gateway_mode_ipv6'];
const OUTBOUND_ADDRESSES = ['com.docker.network.host_ipv4', 'com.docker.network.host_ipv6'];
const OFF = /^(0|f|false)$/i;

/** Throws SwarmtsError for what would be without effect otherwise. */
export function checkBridgeOptions(options: Readonly<Record<string, string>>, internal: boolean): void {
  for (const name of [BINDING, ...OUTBOUND_ADDRESSES]) {
    const address = options[name];
    if (address !== undefined && isIP(address) === 0) throw unreadable(name, address, 'nil ip');
  }
  for (const name of GATEWAY_MODES) checkGatewayMode(name, options[name] ?? 'nat', internal);
  checkInterfacePrefix(options);
  const chosen = OUTBOUND_ADDRESSES.find((name) => name in options);
  if (chosen !== undefined) {
    throw new SwarmtsError('unsupported', `${chosen} is not supported: the host chooses its address by its routes`);
  }
  if (OFF.test(options[MASQUERADE] ?? '')) {
    const why = 'containers get out under the addresses of their node, whatever network they are on';
    throw new SwarmtsError('unsupported', `${MASQUERADE}=false is not supported: ${why}; --internal keeps them in`);
  }
}

function checkGatewayMode(name: string, mode: string, internal: boolean): void {
  if (mode === 'nat') return;
  if (mode === 'isolated') {
    // The host is on no network that users make, so that an internal one is isolated in any case.
    if (internal) return;
    throw new SwarmtsError(
      'invalid-argument',
      "gateway mode 'isolated' can only be used for an internal network: add --internal",
    );
  }
  if (!['routed', 'nat-unprotected'].includes(mode)) throw unreadable(name, mode, `unknown gateway mode ${mode}`);
  const why = 'containers on networks that users make are reached through published ports alone';
  throw new SwarmtsError('unsupported', `${name}=${mode} is not supported: ${why}; use nat`);
}

function unreadable(name: string, value: string, why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `failed to parse ${name} value: ${value} (${why})`);
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
