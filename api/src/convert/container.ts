/** The node's containers, as listed and as inspected. */
import { isIP } from 'node:net';
import { builtinNetworks, findBuiltinNetwork } from '@swarmts/proto';
import type { ContainerNetwork, ContainerSummary } from '../backend.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import { humanDuration, omitEmpty } from '../json/write.js';

const SHORT_ID_DIGITS = 12;

export function containerListJson(
  c: ContainerSummary,
  nowMs: number,
  version: ApiVersion,
  linkNames: readonly string[] = [],
): Record<string, unknown> {
  return {
    Id: c.id,
    Names: [`/${c.name}`, ...linkNames],
    Image: c.image,
    ImageID: c.imageId,
    Command: c.command.map((arg, i) => (i > 0 && arg.includes(' ') ? `'${arg}'` : arg)).join(' '),
    Created: Math.floor(c.createdAtMs / 1000),
    Ports: openPorts(c).map((p) => ({
      ...(p.publishedPort === 0 ? {} : { IP: p.hostIp === '' ? '0.0.0.0' : p.hostIp }),
      PrivatePort: p.targetPort,
      ...(p.publishedPort === 0 ? {} : { PublicPort: p.publishedPort }),
      Type: p.protocol,
    })),
    Labels: c.labels,
    State: c.state,
    Status: statusText(c, nowMs),
    ...(version[1] >= SINCE.leanAnswers ? healthSummary(c) : {}),
    HostConfig: {
      NetworkMode: networkModeJson(c),
      ...(version[1] >= SINCE.annotations ? omitEmpty({ Annotations: c.settings.annotations }) : {}),
    },
    NetworkSettings: { Networks: networksJson(c, version) },
    Mounts: mountsJson(c),
  };
}

/** "Up 3 minutes (healthy)", "Exited (0) 2 hours ago". */
export function statusText(c: ContainerSummary, nowMs: number): string {
  const since = (ms: number) => humanDuration(Math.max(0, nowMs - ms));
  switch (c.state) {
    case 'running': {
      const health = c.health === 'starting' ? ' (health: starting)' : c.health === 'none' ? '' : ` (${c.health})`;
      return `Up ${since(c.startedAtMs)}${health}`;
    }
    case 'paused':
      return `Up ${since(c.startedAtMs)} (Paused)`;
    case 'restarting':
      return `Restarting (${c.exitCode}) ${since(c.finishedAtMs)} ago`;
    case 'created':
      return 'Created';
    case 'dead':
      return 'Dead';
    case 'exited':
      return `Exited (${c.exitCode}) ${since(c.finishedAtMs)} ago`;
  }
}

/** Of a container that has run, also without a check: those have "none". */
function healthSummary({ health, healthCheck }: ContainerSummary): Record<string, unknown> {
  return { Health: { Status: health, FailingStreak: healthCheck?.failingStreak ?? 0 } };
}

/** While it runs, in a network of its own: what it publishes, and with the port 0 what it only listens at. */
export function openPorts(c: ContainerSummary): ContainerSummary['ports'] {
  if (!isUp(c) || ['host', 'none'].includes(c.networkMode) || c.networkMode.startsWith('container:')) return [];
  const published = new Set(c.ports.map((p) => `${p.targetPort}/${p.protocol}`));
  const exposed = c.exposedPorts.filter((p) => !published.has(`${p.targetPort}/${p.protocol}`));
  return [...c.ports, ...exposed.map((p) => ({ ...p, publishedPort: 0, hostIp: '' }))];
}

const isUp = (c: ContainerSummary): boolean => c.state === 'running' || c.state === 'paused';

export function portMapJson(ports: ContainerSummary['ports']): Record<string, unknown> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const p of ports) {
    const key = `${p.targetPort}/${p.protocol}`;
    const HostIp = p.hostIp === '' ? '0.0.0.0' : p.hostIp;
    if (p.publishedPort === 0) map[key] ??= null;
    else map[key] = [...(map[key] ?? []), { HostIp, HostPort: String(p.publishedPort) }];
  }
  return map;
}

/** The node's own network goes by two names: the client's is kept. */
export function networkModeJson({ networkMode, given }: ContainerSummary): string {
  const { bridge } = builtinNetworks;
  const isOwn = networkMode === 'local' || networkMode === bridge.name;
  if (isOwn && given) return given.hostConfig.NetworkMode === bridge.name ? bridge.name : 'default';
  return networkMode === 'local' ? 'default' : networkMode;
}

export function networksJson(c: ContainerSummary, version: ApiVersion): Record<string, unknown> {
  const { host, none } = builtinNetworks;
  const whole = [host, none].find((n) => n.name === c.networkMode);
  const all = whole ? [{ ...NO_NETWORK, ...whole }] : c.networks;
  return Object.fromEntries(all.map((n) => [n.name, endpointJson(c.id, n, version)]));
}

const NO_NETWORK: ContainerNetwork = {
  id: '',
  name: '',
  endpointId: '',
  address: '',
  prefixLength: 0,
  gateway: '',
  ipv6Address: '',
  ipv6PrefixLength: 0,
  ipv6Gateway: '',
  mac: '',
  aliases: [],
};

function endpointJson(containerId: string, n: ContainerNetwork, [, minor]: ApiVersion): Record<string, unknown> {
  // Before they could ask for them, clients were to see it here that a container is found by its id.
  const shortId = containerId.slice(0, SHORT_ID_DIGITS);
  const isNamed = findBuiltinNetwork(n.name) === undefined && !n.aliases.includes(shortId);
  const aliases = minor < SINCE.plainAliases && isNamed ? [...n.aliases, shortId] : n.aliases;
  return {
    IPAMConfig: ipamConfigJson(n.fixedAddresses ?? []),
    Links: n.links && n.links.length > 0 ? n.links.map((l) => `${l.container}:${l.alias}`) : null,
    Aliases: aliases.length === 0 ? null : aliases,
    NetworkID: n.id,
    EndpointID: n.endpointId,
    Gateway: n.gateway,
    IPAddress: n.address,
    IPPrefixLen: n.prefixLength,
    IPv6Gateway: n.ipv6Gateway,
    GlobalIPv6Address: n.ipv6Address,
    GlobalIPv6PrefixLen: n.ipv6PrefixLength,
    MacAddress: n.mac,
    DriverOpts: n.driverOptions ?? null,
    ...(minor >= SINCE.gatewayPriority ? { GwPriority: n.gatewayPriority ?? 0 } : {}),
    ...(minor >= SINCE.severalNetworks ? { DNSNames: n.dnsNames ?? null } : {}),
  };
}

function ipamConfigJson(fixed: readonly string[]): Record<string, unknown> | null {
  if (fixed.length === 0) return null;
  const of = (family: number) => fixed.find((a) => isIP(a) === family) ?? '';
  return omitEmpty({ IPv4Address: of(4), IPv6Address: of(6) });
}

export function mountsJson(c: ContainerSummary): unknown[] {
  return c.mounts.map((m) => ({
    Type: m.type,
    ...(m.name === '' ? {} : { Name: m.name }),
    Source: m.source,
    Destination: m.target,
    ...(m.type === 'volume' ? { Driver: 'local' } : {}),
    Mode: m.mode,
    RW: !m.readOnly,
    Propagation: m.propagation,
  }));
}
