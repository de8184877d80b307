/**
 * The daemon's configuration: dockerd's flags where they mean the same, the same keys in the config file. A flag given on the
 * command line and in the file is refused, as dockerd does.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { errnoOf, type LogLevel, messageOf, SwarmtsError } from '@swarmts/lib';
import type { GenericResource } from '@swarmts/proto';
import type { AddressPool, ContainerDefaults } from '@swarmts/worker';
import { addressPools, firstSubnet } from './address-pools.js';
import {
  checkEventBus,
  checkLabel,
  checkMirror,
  hostOf,
  levelOf,
  parseGenericResources,
  runtimesOf,
  tlsOf,
} from './checks.js';
import { addressOf, containerDefaults } from './container-defaults.js';
import { DEFAULT_CONFIG_FILE, DEFAULT_HOST } from './defaults.js';
import { IGNORED, OPTIONS, REFUSED, usage } from './options.js';
import { PROXY_VARIABLES, proxiesOf } from './proxies.js';

export interface DaemonConfig {
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string;
  readonly labels: readonly string[];
  readonly genericResources: readonly GenericResource[];
  /** Of networks of this node; none are the usual ones. */
  readonly defaultAddressPools: readonly AddressPool[];
  readonly swarmDefaultAdvertiseAddr: string;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly runtimes: Readonly<Record<string, string>>;
  /** '' for crun where it works, else runc. */
  readonly defaultRuntime: string;
  readonly dns: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  /** '' for the gateway of each container. */
  readonly hostGatewayIp: string;
  /** Of what they do not say themselves. */
  readonly containers: ContainerDefaults;
  /** '' for the usual places. */
  readonly initPath: string;
  readonly mtu: number;
  readonly logLevel: LogLevel;
  readonly debug: boolean;
  /** Variables that registries are reached by, for those that are set. */
  readonly proxies: Readonly<Record<string, string>>;
  readonly metricsAddr: string;
  /** '' for none. */
  readonly eventBus: string;
  /** What tasks write goes there as well. */
  readonly eventBusLogs: boolean;
  /** USER[:GROUP] whose subordinate ids containers have, "default" for a user made for that, '' for the machine's own ids. */
  readonly usernsRemap: string;
  /** Group of the unix sockets; '' for the default one, where it exists. */
  readonly group: string;
  readonly tls: TlsConfig;
  readonly bridgeSubnet: string;
  /** Somebody has named it, or a part of it. */
  readonly hasOwnBridgeSubnet: boolean;
  /** '' for all of it. */
  readonly fixedCidr: string;
  readonly icc: boolean;
  /** '' for the engine's own default. */
  readonly cgroupParent: string;
  /** Whether the machine's cgroup hierarchy may be set to quick changes of membership. */
  readonly cgroupFavorDynmods: boolean;
  /** Milliseconds that managers wait for this node when its daemon stops in order. */
  readonly leaseMs: number;
  readonly warnings: readonly string[];
}

/** What TCP addresses ask of their clients. */
export type TlsConfig =
  /** A certificate of the cluster's CA, as `client-cert create` makes them. */
  | { readonly kind: 'cluster' }
  /** `ca` is '' where everybody is let in, by `--tlsverify=false`. */
  | { readonly kind: 'files'; readonly ca: string; readonly cert: string; readonly key: string }
  /** Nothing, and no TLS, by `--tls=false`. */
  | { readonly kind: 'insecure' };

export type Parsed =
  | { readonly kind: 'run'; readonly config: DaemonConfig }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  /** The settings can be used. */
  | { readonly kind: 'valid' };

type Values = Readonly<Record<string, unknown>>;

/** Throws SwarmtsError 'invalid-argument' naming flag and value. */
export function parseDaemonArgs(argv: readonly string[]): Parsed {
  const values = parseFlags(argv);
  if (values.help === true) return { kind: 'help', text: usage() };
  if (values.version === true) return { kind: 'version' };
  const path = typeof values['config-file'] === 'string' ? values['config-file'] : DEFAULT_CONFIG_FILE;
  const file = readConfigFile(path, values['config-file'] !== undefined);
  const config = merge(values, file);
  return values.validate === true ? { kind: 'valid' } : { kind: 'run', config };
}

function parseFlags(argv: readonly string[]): Values {
  const options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
    validate: { type: 'boolean' },
    'config-file': { type: 'string' },
  };
  for (const [name, o] of Object.entries(OPTIONS)) {
    options[name] = {
      type: o.kind === 'boolean' ? 'boolean' : 'string',
      multiple: o.kind === 'list',
      ...(o.short ? { short: o.short } : {}),
    };
  }
  for (const [name, { kind }] of Object.entries({ ...IGNORED, ...REFUSED }))
    options[name] = { type: kind === 'boolean' ? 'boolean' : 'string', multiple: kind === 'list' };
  // pflag's --flag=true has no counterpart in parseArgs.
  const refused: Record<string, false> = {};
  const normal = argv.flatMap((a) => {
    // "-H=tcp://..." is the same as "-H tcp://...".
    const [, short = '', given = ''] = /^(-[a-zA-Z])=(.+)$/.exec(a) ?? [];
    if (short !== '') return [short, given];
    const [, name = '', yes] = /^--([\w-]+)=(true|false)$/.exec(a) ?? [];
    if (options[name]?.type !== 'boolean') return [a];
    if (yes === 'true') return [`--${name}`];
    refused[name] = false;
    return [];
  });
  try {
    return { ...refused, ...parseArgs({ args: normal, options, strict: true, allowPositionals: false }).values };
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `${messageOf(e)}\nSee 'swarmtsd --help'.`, { cause: e });
  }
}

function readConfigFile(path: string, required: boolean): Values {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (e) {
    if (errnoOf(e) === 'ENOENT' && !required) return {};
    throw new SwarmtsError('invalid-argument', `unable to read the config file ${path}: ${messageOf(e)}`, { cause: e });
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('not an object');
    return parsed as Values;
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `the config file ${path} is not valid JSON: ${messageOf(e)}`, {
      cause: e,
    });
  }
}

function merge(flags: Values, file: Values): DaemonConfig {
  const warnings: string[] = [];
  const value = (name: string): unknown => {
    const key = OPTIONS[name]?.key ?? name;
    if (flags[name] !== undefined && file[key] !== undefined) {
      throw new SwarmtsError(
        'invalid-argument',
        `the following directives are specified both as a flag and in the configuration file: ${key}`,
      );
    }
    return flags[name] ?? file[key];
  };
  const text = (name: string, fallback: string) => String(value(name) ?? fallback);
  const list = (name: string) => toList(name, value(name));
  const bool = (name: string, fallback = false) => (value(name) ?? fallback) === true;
  const number = (name: string, fallback: number) => toNumber(name, value(name), fallback);
  for (const [name, { key = name, why }] of Object.entries(IGNORED)) {
    if (flags[name] !== undefined || file[key] !== undefined)
      warnings.push(`${key} has no meaning for swarmtsd and is ignored: ${why}`);
  }
  if (!['', 'none'].includes(text('bridge', ''))) {
    warnings.push('bridge is ignored unless it is none: the local network has a bridge of its own');
  }
  for (const [name, { key = name, why }] of Object.entries(REFUSED)) {
    if (flags[name] !== undefined || file[key] !== undefined)
      throw new SwarmtsError('invalid-argument', `${key} cannot be used with swarmtsd: ${why}`);
  }
  const known = new Set(Object.entries({ ...OPTIONS, ...IGNORED }).map(([name, o]) => o.key ?? name));
  known.add('proxies');
  for (const name of Object.keys(PROXY_VARIABLES)) known.delete(name);
  for (const key of Object.keys(file)) {
    if (!known.has(key))
      throw new SwarmtsError(
        'invalid-argument',
        `the following directives don't match any configuration option: ${key}`,
      );
  }
  const dataRoot = text('data-root', '/var/lib/swarmts');
  const execRoot = text('exec-root', '/run/swarmts');
  const debug = bool('debug');
  const hosts = list('host');
  const pools = addressPools(value('default-address-pool'));
  return {
    hosts: hosts.length > 0 ? hosts.map(hostOf) : [DEFAULT_HOST],
    dataRoot,
    execRoot,
    pidFile: text('pidfile', `${execRoot}/swarmtsd.pid`),
    labels: list('label').map(checkLabel),
    genericResources: parseGenericResources(list('node-generic-resource')),
    defaultAddressPools: pools,
    swarmDefaultAdvertiseAddr: text('swarm-default-advertise-addr', ''),
    insecureRegistries: list('insecure-registry'),
    registryMirrors: list('registry-mirror').map(checkMirror),
    maxConcurrentDownloads: number('max-concurrent-downloads', 3) || UNLIMITED,
    maxConcurrentUploads: number('max-concurrent-uploads', 5) || UNLIMITED,
    maxDownloadAttempts: atLeastOne('max-download-attempts', number('max-download-attempts', 5)),
    runtimes: runtimesOf(value('add-runtime')),
    defaultRuntime: text('default-runtime', ''),
    dns: { servers: list('dns'), search: list('dns-search'), options: list('dns-opt') },
    hostGatewayIp: addressOf('host-gateway-ip', value('host-gateway-ip')),
    containers: containerDefaults({
      logDriver: value('log-driver'),
      logOptions: value('log-opt'),
      init: value('init'),
      shmSize: value('default-shm-size'),
      ulimits: value('default-ulimit'),
      noNewPrivileges: value('no-new-privileges'),
      seccompProfile: value('seccomp-profile'),
      ipcMode: value('default-ipc-mode'),
      cgroupnsMode: value('default-cgroupns-mode'),
      hostIp: value('ip'),
      bridge: value('bridge'),
    }),
    initPath: text('init-path', ''),
    mtu: number('mtu', 1500),
    logLevel: debug ? 'debug' : levelOf(text('log-level', 'info')),
    debug,
    proxies: proxiesOf(flags, file.proxies),
    metricsAddr: text('metrics-addr', ''),
    eventBus: checkEventBus(text('event-bus', '')),
    eventBusLogs: bool('event-bus-logs'),
    usernsRemap: text('userns-remap', ''),
    group: text('group', ''),
    tls: tlsOf({
      tls: value('tls'),
      verify: value('tlsverify'),
      ca: text('tlscacert', ''),
      cert: text('tlscert', ''),
      key: text('tlskey', ''),
    }),
    cgroupParent: text('cgroup-parent', ''),
    cgroupFavorDynmods: bool('cgroup-favor-dynmods', true),
    bridgeSubnet: text('bip', firstSubnet(pools) ?? '172.30.0.0/16'),
    fixedCidr: text('fixed-cidr', ''),
    hasOwnBridgeSubnet: text('bip', '') !== '' || text('fixed-cidr', '') !== '',
    icc: bool('icc', true),
    leaseMs: number('goodbye-lease', 60) * 1000,
    warnings,
  };
}

function toList(name: string, v: unknown): readonly string[] {
  if (v === undefined) return [];
  if (Array.isArray(v)) return v.map((x) => (typeof x === 'string' ? x : JSON.stringify(x)));
  if (typeof v === 'string') return [v];
  throw new SwarmtsError('invalid-argument', `${name} must be a list of strings, not ${JSON.stringify(v)}`);
}

function toNumber(name: string, v: unknown, fallback: number): number {
  if (v === undefined) return fallback;
  const n = Number(v);
  if (!Number.isSafeInteger(n) || n < 0)
    throw new SwarmtsError('invalid-argument', `invalid argument "${v}" for "--${name}": not a whole number`);
  return n;
}

/** As many at a time as there are. */
const UNLIMITED = Number.POSITIVE_INFINITY;

function atLeastOne(name: string, n: number): number {
  if (n >= 1) return n;
  throw new SwarmtsError('invalid-argument', `invalid argument "${n}" for "--${name}": at least 1 is needed`);
}
