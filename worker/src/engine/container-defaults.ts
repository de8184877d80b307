/** What containers get that do not say otherwise, as the daemon's settings have it. Pure. */
import type { Ulimit } from '@swarmts/lib';
import { builtinNetworks } from '@swarmts/proto';
import type { DnsConfig } from '../runtime/etc-files.js';
import type { CgroupVersion } from '../runtime/limit-support.js';
import type { ContainerConfig, LogChoice } from './container-config.js';
import { BRIDGE_WISH, isWishFor } from './joined-networks.js';

export interface ContainerDefaults {
  readonly log: LogChoice;
  /** Heeded at every start: what such a container has is not its own setting. */
  readonly init?: boolean;
  readonly shmSizeBytes?: number;
  readonly ulimits?: readonly Ulimit[];
  readonly noNewPrivileges?: boolean;
  /** JSON in Docker's format; 'unconfined' for none at all. */
  readonly seccompProfile?: string;
  readonly ipcMode?: string;
  readonly cgroupnsMode?: string;
  /** Where ports of containers on the node's own network are published that name no address. */
  readonly hostIp?: string;
  /** Nobody is on the node's own network: who would be is on the others of its wishes, or on none. */
  readonly withoutBridge?: boolean;
}

export const PLAIN_DEFAULTS: ContainerDefaults = { log: { driver: 'json-file', options: {} } };

/** Each part that the container leaves empty is the daemon's. */
export function withDnsDefaults(own: ContainerConfig['dns'], defaults: DnsConfig | undefined): DnsConfig | undefined {
  if (!own || !defaults) return own ?? defaults;
  const part = (name: keyof DnsConfig) => (own[name].length > 0 ? own[name] : defaults[name]);
  return { servers: part('servers'), search: part('search'), options: part('options') };
}

export function withDefaults(config: ContainerConfig, d: ContainerDefaults, cgroups: CgroupVersion): ContainerConfig {
  return {
    ...config,
    log: logOf(config.log, d.log),
    ...unlessSet(config, d),
    ipcMode: config.ipcMode || d.ipcMode || '',
    cgroupnsMode: config.cgroupnsMode || cgroupnsOf(config, d, cgroups),
    ...seccompOf(config, d.seccompProfile),
    ...(d.ulimits
      ? { resources: { ...config.resources, ulimits: ulimitsOf(config.resources.ulimits, d.ulimits) } }
      : {}),
    ports: portsOf(config, d.hostIp),
    ...(d.withoutBridge ? unbridged(config) : {}),
  };
}

/** As Docker: what manages groups of version 1 counts on seeing them as they are. */
export function defaultCgroupnsMode({ cgroupnsMode }: ContainerDefaults, cgroups: CgroupVersion): string {
  return cgroupnsMode || (cgroups === 2 ? 'private' : 'host');
}

function cgroupnsOf({ privileged }: ContainerConfig, d: ContainerDefaults, cgroups: CgroupVersion): string {
  return privileged && cgroups === 1 ? 'host' : defaultCgroupnsMode(d, cgroups);
}

/** What is published needs a network. */
function unbridged(c: ContainerConfig): Partial<ContainerConfig> {
  if (c.networkMode !== 'local' || c.networkContainer || c.networkNamespace) return {};
  const networks = (c.networks ?? []).filter((n) => !isWishFor(n, builtinNetworks.bridge));
  return networks.length > 0 ? { networks } : { networkMode: 'none', networks: [], ports: [] };
}

/** The setting is for the node's own network: others have an option of their own. */
function portsOf({ ports, networks = [BRIDGE_WISH] }: ContainerConfig, hostIp = ''): ContainerConfig['ports'] {
  const isOnBridge = networks.some((n) => isWishFor(n, builtinNetworks.bridge));
  return hostIp !== '' && isOnBridge ? ports.map((p) => ({ ...p, hostIp: p.hostIp || hostIp })) : ports;
}

function unlessSet(
  { noNewPrivileges, shmSizeBytes }: ContainerConfig,
  d: ContainerDefaults,
): Pick<ContainerConfig, 'noNewPrivileges' | 'shmSizeBytes'> {
  return {
    ...(noNewPrivileges === undefined && d.noNewPrivileges ? { noNewPrivileges: true } : {}),
    ...(shmSizeBytes === undefined && d.shmSizeBytes ? { shmSizeBytes: d.shmSizeBytes } : {}),
  };
}

/** The options of the default driver are for it alone; one of its own counts more. */
function logOf(own: LogChoice | undefined, fallback: LogChoice): LogChoice {
  const driver = own?.driver || fallback.driver;
  return { driver, options: { ...(driver === fallback.driver ? fallback.options : {}), ...own?.options } };
}

function seccompOf(
  config: ContainerConfig,
  profile: string | undefined,
): Pick<ContainerConfig, 'seccompProfile' | 'seccompUnconfined'> {
  const isOwn = config.seccompUnconfined === true || config.seccompProfile !== undefined;
  if (isOwn || profile === undefined) return {};
  return profile === 'unconfined' ? { seccompUnconfined: true } : { seccompProfile: profile };
}

function ulimitsOf(own: readonly Ulimit[] = [], defaults: readonly Ulimit[]): readonly Ulimit[] {
  const named = new Set(own.map((u) => u.name));
  return [...own, ...defaults.filter((u) => !named.has(u.name))];
}
