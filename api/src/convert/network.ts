/** Networks: swarm's own, and the three that every node has. */
import type { Network } from '@swarmts/proto';
import { omitEmpty, timeJson, ZERO_TIME } from '../json/write.js';
import { annotationsJson, driverJson, metaJson } from './annotations.js';

/** As listed by /networks. */
export function networkJson(n: Network): Record<string, unknown> {
  const spec = n.spec;
  return {
    Name: spec?.annotations?.name ?? '',
    Id: n.id,
    Created: timeJson(n.meta?.createdAtMs ?? 0),
    Scope: 'swarm',
    Driver: n.driverState?.name || spec?.driver?.name || 'overlay',
    EnableIPv6: spec?.ipv6Enabled ?? false,
    IPAM: {
      Driver: n.ipam?.driver?.name || 'default',
      Options: null,
      Config: (n.ipam?.configs ?? []).map((c) => ({ Subnet: c.subnet, Gateway: c.gateway })),
    },
    Internal: spec?.internal ?? false,
    Attachable: spec?.attachable ?? false,
    Ingress: spec?.ingress ?? false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: null,
    Options: n.driverState?.options ?? spec?.driver?.options ?? {},
    Labels: spec?.annotations?.labels ?? {},
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

/** The networks of a node that need no manager; their ids are fixed. */
export const builtinNetworks: readonly Readonly<Record<string, unknown>>[] = [
  builtin('bridge', 'bridge', 'b1'),
  builtin('host', 'host', 'b2'),
  builtin('none', 'null', 'b3'),
];

function builtin(name: string, driver: string, prefix: string): Record<string, unknown> {
  return {
    Name: name,
    Id: prefix.padEnd(64, '0'),
    Created: ZERO_TIME,
    Scope: 'local',
    Driver: driver,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}
