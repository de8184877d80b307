/** The networks that every node has without anybody making them. They need no manager, and their ids are fixed. */
import type { BridgeNetwork, ContainerSummary } from '../backend.js';
import { ZERO_TIME } from '../json/write.js';

const NETWORKS = {
  bridge: { driver: 'bridge', id: 'b1' },
  host: { driver: 'host', id: 'b2' },
  none: { driver: 'null', id: 'b3' },
};

type BuiltinName = keyof typeof NETWORKS;

export const builtinNames = Object.keys(NETWORKS) as readonly BuiltinName[];

export const builtinDriver = (name: BuiltinName): string => NETWORKS[name].driver;

/** '' for the name of any other network. */
export function builtinId(name: string): string {
  const known = builtinNames.find((n) => n === name);
  return known ? NETWORKS[known].id.padEnd(64, '0') : '';
}

/** Of a container that was given no network by name: a task without networks is on the node's own one. */
export const soleNetwork = (c: ContainerSummary): string => (c.networkMode === 'local' ? 'bridge' : c.networkMode);

/** `containers` as when one network is asked for; lists have none. */
export function builtinNetworkJson(
  name: BuiltinName,
  bridge: BridgeNetwork,
  containers: readonly ContainerSummary[] = [],
): Record<string, unknown> {
  const isBridge = name === 'bridge';
  return {
    Name: name,
    Id: builtinId(name),
    Created: ZERO_TIME,
    Scope: 'local',
    Driver: builtinDriver(name),
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: isBridge ? [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] : [],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(containers.filter((c) => isOn(c, name)).map((c) => [c.id, attachedJson(c)])),
    Options: isBridge ? bridgeOptions(bridge) : {},
    Labels: {},
  };
}

function isOn(c: ContainerSummary, name: BuiltinName): boolean {
  return c.pid > 0 && c.networks.length === 0 && soleNetwork(c) === name;
}

function attachedJson(c: ContainerSummary): Record<string, unknown> {
  const IPv4Address = c.address === '' ? '' : `${c.address}/${c.prefixLength}`;
  return { Name: c.name, EndpointID: '', MacAddress: c.mac, IPv4Address, IPv6Address: '' };
}

function bridgeOptions({ icc, mtu }: BridgeNetwork): Record<string, string> {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(icc),
    'com.docker.network.bridge.enable_ip_masquerade': 'true',
    'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    'com.docker.network.driver.mtu': String(mtu),
  };
}
