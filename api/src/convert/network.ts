/** Networks of the swarm, both ways. */
import { SwarmtsError } from '@swarmts/lib';
import { Driver, IpamConfig, IpamOptions, type Network, NetworkSpec, networkDriver } from '@swarmts/proto';
import type { ContainerNetwork, ContainerSummary } from '../backend.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import type { JsonObject } from '../json/object.js';
import { omitEmpty, timeJson } from '../json/write.js';
import { annotationsJson, driverJson, metaJson, readAnnotations } from './annotations.js';

/** The body of POST /networks/create for a swarm network. */
export function readNetworkSpec(o: JsonObject, [, minor]: ApiVersion): NetworkSpec {
  const ipv4Disabled = minor >= SINCE.gatewayPriority && o.has('EnableIPv4') && !o.boolean('EnableIPv4');
  if (ipv4Disabled && !o.boolean('EnableIPv6') && !o.boolean('ConfigOnly')) {
    throw new SwarmtsError('invalid-argument', 'IPv4 or IPv6 must be enabled');
  }
  const ipam = o.object('IPAM');
  return NetworkSpec.create({
    annotations: readAnnotations(o),
    driver: Driver.create({ name: o.string('Driver') || 'overlay', options: o.map('Options') }),
    ipv6Enabled: o.boolean('EnableIPv6'),
    ipv4Disabled,
    internal: o.boolean('Internal'),
    attachable: o.boolean('Attachable'),
    ingress: o.boolean('Ingress'),
    configOnly: o.boolean('ConfigOnly'),
    configFrom: o.object('ConfigFrom')?.string('Network') ?? '',
    ipam: IpamOptions.create({
      driver: Driver.create({ name: ipam?.string('Driver') || 'default', options: ipam?.map('Options') ?? {} }),
      configs: (ipam?.objects('Config') ?? []).map(readIpamConfig),
    }),
  });
}

export function readIpamConfig(o: JsonObject): IpamConfig {
  return IpamConfig.create({
    subnet: o.string('Subnet'),
    gateway: o.string('Gateway'),
    ipRange: o.string('IPRange'),
    reserved: o.map('AuxiliaryAddresses'),
  });
}

/** As listed by /networks. `containers`: those of this node that are on it, for an inspect. */
export function networkJson(
  n: Network,
  scope: 'swarm' | 'local',
  containers?: readonly ContainerSummary[],
): Record<string, unknown> {
  const spec = n.spec;
  return {
    Name: spec?.annotations?.name ?? '',
    Id: n.id,
    Created: timeJson(n.meta?.createdAtMs ?? 0),
    Scope: scope,
    Driver: networkDriver(n),
    EnableIPv6: spec?.ipv6Enabled ?? false,
    IPAM: {
      Driver: n.ipam?.driver?.name || 'default',
      Options: ipamOptions(n),
      Config: (n.ipam?.configs ?? []).map((c) => ({
        Subnet: c.subnet,
        ...omitEmpty({ IPRange: c.ipRange }),
        Gateway: c.gateway,
        ...omitEmpty({ AuxiliaryAddresses: c.reserved }),
      })),
    },
    Internal: spec?.internal ?? false,
    Attachable: spec?.attachable ?? false,
    Ingress: spec?.ingress ?? false,
    ConfigFrom: { Network: spec?.configFrom ?? '' },
    ConfigOnly: spec?.configOnly ?? false,
    Containers: containers === undefined ? null : containersJson(n.id, containers),
    Options: n.driverState?.options ?? spec?.driver?.options ?? {},
    Labels: spec?.annotations?.labels ?? {},
  };
}

function ipamOptions(n: Network): Readonly<Record<string, string>> | null {
  const options = n.ipam?.driver?.options ?? {};
  return Object.keys(options).length > 0 ? options : null;
}

/** Those that are on a network. */
export function containersJson(networkId: string, containers: readonly ContainerSummary[]): Record<string, unknown> {
  const on = containers.flatMap((c) =>
    c.networks
      .filter((n) => n.id === networkId && n.endpointId !== '')
      .map((n) => [c.id, attachedJson(c.name, n)] as const),
  );
  return Object.fromEntries(on);
}

function attachedJson(name: string, n: ContainerNetwork): Record<string, unknown> {
  return {
    Name: name,
    EndpointID: n.endpointId,
    MacAddress: n.mac,
    IPv4Address: n.address === '' ? '' : `${n.address}/${n.prefixLength}`,
    IPv6Address: n.ipv6Address === '' ? '' : `${n.ipv6Address}/${n.ipv6PrefixLength}`,
  };
}

/** As found in a task's NetworksAttachments. */
export function swarmNetworkJson(n: Network): Record<string, unknown> {
  const spec = n.spec;
  return {
    ...metaJson(n.id, n.meta),
    Spec: {
      ...annotationsJson(spec?.annotations),
      ...omitEmpty({
        DriverConfiguration: driverJson(spec?.driver),
        IPv6Enabled: spec?.ipv6Enabled,
        Internal: spec?.internal,
        Attachable: spec?.attachable,
        Ingress: spec?.ingress,
      }),
      Scope: 'swarm',
    },
    ...omitEmpty({
      DriverState: driverJson(n.driverState),
      IPAMOptions: omitEmpty({
        Driver: driverJson(n.ipam?.driver),
        Configs: (n.ipam?.configs ?? []).map((c) =>
          omitEmpty({ Subnet: c.subnet, Range: c.ipRange, Gateway: c.gateway }),
        ),
      }),
    }),
  };
}
