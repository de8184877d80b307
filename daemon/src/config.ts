/**
 * The daemon's configuration: dockerd's flags where they mean the same, the same keys in the config file. A flag given on the
 * command line and in the file is refused, as dockerd does.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { errnoOf, type LogLevel, logLevels, messageOf, SwarmtsError } from '@swarmts/lib';
import { GenericResource } from '@swarmts/proto';
import { parseBusUrl } from './event-bus/bus-url.js';

export interface DaemonConfig {
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string;
  readonly labels: readonly string[];
  readonly genericResources: readonly GenericResource[];
  readonly defaultAddressPools: readonly string[];
  readonly swarmDefaultAdvertiseAddr: string;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly runtimes: Readonly<Record<string, string>>;
  /** '' for crun where it works, else runc. */
  readonly defaultRuntime: string;
  readonly dns: readonly string[];
  readonly mtu: number;
  readonly logLevel: LogLevel;
  readonly debug: boolean;
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

export const DEFAULT_HOST = 'unix:///run/swarmts/swarmts.sock';
export const DEFAULT_GROUP = 'swarmts';
export const DEFAULT_CONFIG_FILE = '/etc/swarmts/daemon.json';

type Kind = 'string' | 'list' | 'boolean' | 'number';

interface Option {
  readonly kind: Kind;
  readonly short?: string;
  /** Key in the config file; the flag's name where left out. */
  readonly key?: string;
  readonly help: string;
}

const OPTIONS: Readonly<Record<string, Option>> = {
  host: {
    kind: 'list',
    short: 'H',
    key: 'hosts',
    help: 'Daemon socket(s) to listen on: unix://PATH or tcp://HOST:PORT',
  },
  'data-root': { kind: 'string', help: 'Root directory of persistent state' },
  'exec-root': { kind: 'string', help: 'Root directory of state that ends with a reboot' },
  pidfile: { kind: 'string', short: 'p', help: 'Path of the PID file' },
  label: { kind: 'list', key: 'labels', help: 'Key=value labels of the daemon' },
  'node-generic-resource': {
    kind: 'list',
    key: 'node-generic-resources',
    help: 'User-defined resources of the node: kind=count, or kind=name, several times',
  },
  'default-address-pool': { kind: 'list', key: 'default-address-pools', help: 'Default address pools for networks' },
  'swarm-default-advertise-addr': {
    kind: 'string',
    help: 'Default address or interface for the swarm advertised address',
  },
  'insecure-registry': { kind: 'list', key: 'insecure-registries', help: 'Registries that are spoken to without TLS' },
  'registry-mirror': { kind: 'list', key: 'registry-mirrors', help: 'Preferred registry mirrors' },
  'max-concurrent-downloads': { kind: 'number', help: 'Concurrent downloads of all pulls (default 3)' },
  'max-concurrent-uploads': { kind: 'number', help: 'Concurrent uploads of each push (default 5)' },
  'max-download-attempts': { kind: 'number', help: 'Tries of each download (default 5)' },
  'add-runtime': { kind: 'list', key: 'runtimes', help: 'Register an OCI runtime: NAME=PATH' },
  'default-runtime': {
    kind: 'string',
    help: 'OCI runtime of containers: runc, crun or a path (default: crun where it works, else runc)',
  },
  'userns-remap': {
    kind: 'string',
    help: 'Containers in user namespaces, with the ids of USER[:GROUP] in /etc/subuid and /etc/subgid; or "default"',
  },
  dns: { kind: 'list', help: 'DNS servers of containers' },
  mtu: { kind: 'number', help: 'MTU of the local network' },
  bip: { kind: 'string', help: 'Gateway and subnet of the local network, e.g. 172.30.0.1/16' },
  'fixed-cidr': { kind: 'string', help: 'Part of that subnet that containers get addresses of' },
  icc: { kind: 'boolean', help: 'Containers of the local network reach each other (default true)' },
  'log-level': { kind: 'string', short: 'l', help: 'debug, info, warn or error' },
  debug: { kind: 'boolean', short: 'D', help: 'Enable debug mode' },
  'metrics-addr': { kind: 'string', help: 'Address to serve Prometheus metrics on' },
  group: { kind: 'string', short: 'G', help: `Group of the unix socket (default "${DEFAULT_GROUP}" where it exists)` },
  'event-bus': { kind: 'string', help: 'Publish events of the cluster to NATS JetStream: nats://HOST:PORT' },
  'event-bus-logs': { kind: 'boolean', help: 'Publish what tasks write there, too' },
  tls: { kind: 'boolean', help: 'TLS on TCP; implied by --tlsverify. --tls=false: in clear, for everybody' },
  tlsverify: {
    kind: 'boolean',
    help: "Verify clients by --tlscacert instead of the cluster's CA. --tlsverify=false: TLS for everybody",
  },
  tlscacert: { kind: 'string', help: 'Trust certs signed only by this CA' },
  tlscert: { kind: 'string', help: 'Path to the TLS certificate' },
  tlskey: { kind: 'string', help: 'Path to the TLS key' },
  'cgroup-parent': { kind: 'string', help: 'Parent cgroup of the containers, e.g. /swarmts' },
  'cgroup-favor-dynmods': {
    kind: 'boolean',
    help: 'Mount option favordynmods on the cgroup hierarchy: containers start sooner (default true)',
  },
  'goodbye-lease': {
    kind: 'number',
    help: 'Seconds that the cluster waits for this node when the daemon stops in order',
  },
};

/** Flags of dockerd without a meaning here: taken with a warning, so that scripts need no change. */
const IGNORED: Readonly<Record<string, Kind>> = {
  'live-restore': 'boolean',
  iptables: 'boolean',
  ip6tables: 'boolean',
  'ip-forward': 'boolean',
  'ip-masq': 'boolean',
  'userland-proxy': 'boolean',
  'userland-proxy-path': 'string',
  bridge: 'string',
  containerd: 'string',
  'containerd-namespace': 'string',
  'storage-driver': 'string',
  'storage-opt': 'list',
  'exec-opt': 'list',
  experimental: 'boolean',
  'log-driver': 'string',
  'log-opt': 'list',
  'oom-score-adjust': 'number',
  'raw-logs': 'boolean',
  'selinux-enabled': 'boolean',
  'shutdown-timeout': 'number',
  init: 'boolean',
  'default-shm-size': 'string',
  'default-ulimit': 'list',
  features: 'string',
};

export type Parsed =
  | { readonly kind: 'run'; readonly config: DaemonConfig }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' };

type Values = Readonly<Record<string, unknown>>;

/** Throws SwarmtsError 'invalid-argument' naming flag and value. */
export function parseDaemonArgs(argv: readonly string[]): Parsed {
  const values = parseFlags(argv);
  if (values.help === true) return { kind: 'help', text: usage() };
  if (values.version === true) return { kind: 'version' };
  const path = typeof values['config-file'] === 'string' ? values['config-file'] : DEFAULT_CONFIG_FILE;
  const file = readConfigFile(path, values['config-file'] !== undefined);
  return { kind: 'run', config: merge(values, file) };
}

function parseFlags(argv: readonly string[]): Values {
  const options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
    'config-file': { type: 'string' },
  };
  for (const [name, o] of Object.entries(OPTIONS)) {
    options[name] = {
      type: o.kind === 'boolean' ? 'boolean' : 'string',
      multiple: o.kind === 'list',
      ...(o.short ? { short: o.short } : {}),
    };
  }
  for (const [name, kind] of Object.entries(IGNORED))
    options[name] = { type: kind === 'boolean' ? 'boolean' : 'string', multiple: kind === 'list' };
  // pflag's --flag=true has no counterpart in parseArgs.
  const refused: Record<string, false> = {};
  const normal = argv.flatMap((a) => {
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
  for (const name of Object.keys(IGNORED)) {
    if (flags[name] !== undefined || file[name] !== undefined)
      warnings.push(`${name} has no meaning for swarmtsd and is ignored`);
  }
  const known = new Set([...Object.entries(OPTIONS).map(([n, o]) => o.key ?? n), ...Object.keys(IGNORED)]);
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
  return {
    hosts: hosts.length > 0 ? hosts.map(checkHost) : [DEFAULT_HOST],
    dataRoot,
    execRoot,
    pidFile: text('pidfile', `${execRoot}/swarmtsd.pid`),
    labels: list('label').map(checkLabel),
    genericResources: parseGenericResources(list('node-generic-resource')),
    defaultAddressPools: list('default-address-pool'),
    swarmDefaultAdvertiseAddr: text('swarm-default-advertise-addr', ''),
    insecureRegistries: list('insecure-registry'),
    registryMirrors: list('registry-mirror').map(checkMirror),
    maxConcurrentDownloads: atLeastOne('max-concurrent-downloads', number('max-concurrent-downloads', 3)),
    maxConcurrentUploads: atLeastOne('max-concurrent-uploads', number('max-concurrent-uploads', 5)),
    maxDownloadAttempts: atLeastOne('max-download-attempts', number('max-download-attempts', 5)),
    runtimes: runtimesOf(value('add-runtime')),
    defaultRuntime: text('default-runtime', ''),
    dns: list('dns'),
    mtu: number('mtu', 1500),
    logLevel: debug ? 'debug' : levelOf(text('log-level', 'info')),
    debug,
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
    bridgeSubnet: text('bip', '172.30.0.0/16'),
    fixedCidr: text('fixed-cidr', ''),
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

function atLeastOne(name: string, n: number): number {
  if (n >= 1) return n;
  throw new SwarmtsError('invalid-argument', `invalid argument "${n}" for "--${name}": at least 1 is needed`);
}

/** As dockerd: an address of http or https without credentials, query and fragment; a path is kept. */
function checkMirror(mirror: string): string {
  const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
  const isPlain = url && url.username + url.password + url.search + url.hash === '';
  if (isPlain && (url.protocol === 'http:' || url.protocol === 'https:')) return mirror;
  throw new SwarmtsError('invalid-argument', `invalid mirror: "${mirror}" is no address such as https://mirror:5000`);
}

/** Everybody is let in only where that is asked for in so many words. Throws SwarmtsError 'invalid-argument'. */
function tlsOf(o: {
  readonly tls: unknown;
  readonly verify: unknown;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}): TlsConfig {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  const files = { ca: o.ca, cert: o.cert, key: o.key };
  const isOwn = o.tls === true || o.verify !== undefined || Object.values(files).some((f) => f !== '');
  if (o.tls === false) {
    if (o.verify === true) throw bad('--tls=false and --tlsverify exclude each other');
    return { kind: 'insecure' };
  }
  if (!isOwn) return { kind: 'cluster' };
  if (o.cert === '' || o.key === '') throw bad('TLS of your own needs --tlscert and --tlskey');
  if (o.verify === false) return { kind: 'files', ...files, ca: '' };
  if (o.verify !== true)
    throw bad(
      'clients that are not verified are root on this machine: add --tlsverify and --tlscacert, or --tlsverify=false to let everybody in',
    );
  if (o.ca === '') throw bad('--tlsverify needs --tlscacert, the CA of the clients');
  return { kind: 'files', ...files };
}

function checkEventBus(url: string): string {
  if (url !== '') parseBusUrl(url);
  return url;
}

function checkHost(host: string): string {
  if (/^unix:\/\/\/.+/.test(host) || /^tcp:\/\/[^/]+:\d+$/.test(host)) return host;
  throw new SwarmtsError(
    'invalid-argument',
    `invalid argument "${host}" for "-H, --host": use unix:///PATH or tcp://HOST:PORT`,
  );
}

/** A kind is either counted or named; "gpu=a,gpu=b" and two flags are the same. */
function parseGenericResources(entries: readonly string[]): readonly GenericResource[] {
  const found = entries
    .flatMap((e) => e.split(','))
    .map((entry) => {
      const m = /^([^=\s]+)=([^=\s]+)$/.exec(entry);
      const [, kind = '', value = ''] = m ?? [];
      if (!m)
        throw new SwarmtsError(
          'invalid-argument',
          `invalid generic resource ${entry}: use --node-generic-resource KIND=COUNT or KIND=NAME`,
        );
      return GenericResource.create(/^\d+$/.test(value) ? { kind, count: Number(value) } : { kind, value });
    });
  for (const r of found) {
    const mixed = found.some(
      (x) => x !== r && x.kind === r.kind && (r.value === '' || x.value === '' || x.value === r.value),
    );
    if (mixed)
      throw new SwarmtsError(
        'invalid-argument',
        `generic resource ${r.kind} is given twice, or both counted and named`,
      );
  }
  return found;
}

function checkLabel(label: string): string {
  if (/^[^=\s]+=.*$/.test(label)) return label;
  throw new SwarmtsError('invalid-argument', `bad attribute format: ${label}: use --label KEY=VALUE`);
}

function levelOf(text: string): LogLevel {
  const level = logLevels.find((l) => l === (text === 'fatal' ? 'error' : text));
  if (!level) throw new SwarmtsError('invalid-argument', `invalid logging level: ${text}: use ${logLevels.join(', ')}`);
  return level;
}

function runtimesOf(v: unknown): Readonly<Record<string, string>> {
  if (v === undefined) return {};
  if (Array.isArray(v)) {
    return Object.fromEntries(
      v.map((x) => {
        const [name, path] = String(x).split('=');
        if (!name || !path)
          throw new SwarmtsError('invalid-argument', `invalid runtime ${x}: use --add-runtime NAME=PATH`);
        return [name, path];
      }),
    );
  }
  // The file's form: {"name": {"path": "..."}}.
  return Object.fromEntries(
    Object.entries(v as Record<string, { readonly path?: string }>).map(([n, r]) => [n, r.path ?? n]),
  );
}

function usage(): string {
  const lines = Object.entries(OPTIONS).map(([name, o]) => {
    const flag = `${o.short ? `-${o.short}, ` : '    '}--${name}${o.kind === 'boolean' ? '' : ` ${o.kind === 'number' ? 'int' : o.kind}`}`;
    return `  ${flag.padEnd(46)}${o.help}`;
  });
  return [
    'Usage:  swarmtsd [OPTIONS]',
    '',
    'The daemon of swarmts: containers on this node, and its part of the swarm.',
    '',
    'Options:',
    `  ${'    --config-file string'.padEnd(46)}Daemon configuration file (default "${DEFAULT_CONFIG_FILE}")`,
    ...lines,
    `  ${'-h, --help'.padEnd(46)}Print usage`,
    `  ${'-v, --version'.padEnd(46)}Print version information and quit`,
    '',
  ].join('\n');
}
