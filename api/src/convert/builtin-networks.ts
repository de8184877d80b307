/** The networks that every node has, as they are listed and inspected. */
import { type BuiltinNetwork, builtinNetworks } from '@swarmts/proto';
import type { BridgeNetwork, ContainerSummary } from '../backend.js';
import { ZERO_TIME } from '../json/write.js';
import { containersJson } from './network.js';

/** `containers` as when one network is asked for; lists have none. */
export function builtinNetworkJson(
  { id, name, driver }: BuiltinNetwork,
  ownNetwork: BridgeNetwork | undefined,
  containers: readonly ContainerSummary[] = [],
): Record<string, unknown> {
  const bridge = name === builtinNetworks.bridge.name ? ownNetwork : undefined;
  return {
    Name: name,
    Id: id,
    Created: ZERO_TIME,
    Scope: 'local',
    Driver: driver,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: bridge ? [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] : [],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: bridge ? containersJson(id, containers) : sharingJson(name, containers),
    Options: bridge ? bridgeOptions(bridge) : {},
    Labels: {},
  };
}

/** Containers with the host's network, or with none, have no place there that would be told. */
function sharingJson(name: string, containers: readonly ContainerSummary[]): Record<string, unknown> {
  const nowhere = { EndpointID: '', MacAddress: '', IPv4Address: '', IPv6Address: '' };
  const sharing = containers.filter((c) => c.pid > 0 && c.networkMode === name);
  return Object.fromEntries(sharing.map((c) => [c.id, { Name: c.name, ...nowhere }]));
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
