/** The flags of the daemon, which are dockerd's where they mean the same, and what becomes of the others. */
import { DEFAULT_CONFIG_FILE, DEFAULT_GROUP } from './defaults.js';

const NFTABLES = 'ports and networks are made by rules of nftables';
const NO_LOCAL_IPV6 = 'the local network is IPv4; `network create --ipv6` makes one with both';
const NO_CONTAINERD = 'containers run without containerd';

export type Kind = 'string' | 'list' | 'boolean' | 'number';

export interface Option {
  readonly kind: Kind;
  readonly short?: string;
  /** Key in the config file; the flag's name where left out. */
  readonly key?: string;
  readonly help: string;
}

export const OPTIONS: Readonly<Record<string, Option>> = {
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
  'default-address-pool': {
    kind: 'list',
    key: 'default-address-pools',
    help: 'Where subnets of networks of this node come from: base=SUBNET,size=BITS',
  },
  'swarm-default-advertise-addr': {
    kind: 'string',
    help: 'Default address or interface for the swarm advertised address',
  },
  'insecure-registry': { kind: 'list', key: 'insecure-registries', help: 'Registries that are spoken to without TLS' },
  'registry-mirror': { kind: 'list', key: 'registry-mirrors', help: 'Preferred registry mirrors' },
  'max-concurrent-downloads': { kind: 'number', help: 'Concurrent downloads of all pulls (default 3, 0 = no limit)' },
  'max-concurrent-uploads': { kind: 'number', help: 'Concurrent uploads of each push (default 5, 0 = no limit)' },
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
  'dns-search': { kind: 'list', help: 'DNS search domains of containers' },
  'dns-opt': { kind: 'list', key: 'dns-opts', help: 'DNS options of containers' },
  'host-gateway-ip': {
    kind: 'string',
    help: 'What "host-gateway" of --add-host stands for (default: the gateway of the container)',
  },
  ip: { kind: 'string', help: 'Where ports of containers on the bridge are published that name no address' },
  'log-driver': { kind: 'string', help: 'Log driver of containers (default "json-file")' },
  'log-opt': { kind: 'list', key: 'log-opts', help: 'Options of that log driver: KEY=VALUE' },
  'default-shm-size': { kind: 'string', help: 'Size of /dev/shm of containers (default 64m)' },
  'default-ulimit': { kind: 'list', key: 'default-ulimits', help: 'Limits of containers: NAME=SOFT[:HARD]' },
  'default-ipc-mode': { kind: 'string', help: 'IPC mode of containers: private or shareable (default "private")' },
  'default-cgroupns-mode': {
    kind: 'string',
    help: 'Cgroup namespace of containers: private or host (default "private")',
  },
  init: { kind: 'boolean', help: 'An init in containers that forwards signals and reaps processes' },
  'init-path': { kind: 'string', help: 'Path of that init' },
  'no-new-privileges': { kind: 'boolean', help: 'Processes of containers gain no privileges' },
  'seccomp-profile': { kind: 'string', help: 'Seccomp profile of containers: a path, "builtin" or "unconfined"' },
  mtu: { kind: 'number', help: 'MTU of the local network' },
  bridge: { kind: 'string', short: 'b', help: '"none": containers are on no network unless they name one' },
  bip: { kind: 'string', help: 'Gateway and subnet of the local network, e.g. 172.30.0.1/16' },
  'fixed-cidr': { kind: 'string', help: 'Part of that subnet that containers get addresses of' },
  icc: { kind: 'boolean', help: 'Containers of the local network reach each other (default true)' },
  'log-level': { kind: 'string', short: 'l', help: 'debug, info, warn or error' },
  debug: { kind: 'boolean', short: 'D', help: 'Enable debug mode' },
  'http-proxy': { kind: 'string', help: 'Proxy for registries over HTTP' },
  'https-proxy': { kind: 'string', help: 'Proxy for registries over HTTPS' },
  'no-proxy': {
    kind: 'string',
    help: 'Hosts, domains and subnets that are asked without a proxy, with commas between them',
  },
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

/** Settings of dockerd without a meaning here: taken with a warning, so that files and scripts need no change. Kind of the flag, and key of the file. */
export const IGNORED: Readonly<Record<string, { readonly kind: Kind; readonly key?: string; readonly why: string }>> = {
  'live-restore': { kind: 'boolean', why: 'containers always outlive the daemon' },
  'shutdown-timeout': { kind: 'number', why: 'containers always outlive the daemon' },
  iptables: { kind: 'boolean', why: NFTABLES },
  ip6tables: { kind: 'boolean', why: NFTABLES },
  'ip-forward': { kind: 'boolean', why: 'packets are forwarded while there are containers that need it' },
  'ip-masq': { kind: 'boolean', why: NFTABLES },
  'userland-proxy': { kind: 'boolean', why: NFTABLES },
  'userland-proxy-path': { kind: 'string', why: NFTABLES },
  'default-gateway': { kind: 'string', why: 'the gateway is the bridge of the local network: see --bip' },
  'default-gateway-v6': { kind: 'string', why: NO_LOCAL_IPV6 },
  ipv6: { kind: 'boolean', why: NO_LOCAL_IPV6 },
  'fixed-cidr-v6': { kind: 'string', why: NO_LOCAL_IPV6 },
  'default-network-opt': { kind: 'list', key: 'default-network-opts', why: 'options are given to `network create`' },
  'network-control-plane-mtu': { kind: 'number', why: 'control traffic is TCP' },
  containerd: { kind: 'string', why: NO_CONTAINERD },
  'containerd-namespace': { kind: 'string', why: NO_CONTAINERD },
  'containerd-plugins-namespace': { kind: 'string', why: NO_CONTAINERD },
  'cri-containerd': { kind: 'boolean', why: NO_CONTAINERD },
  'storage-driver': { kind: 'string', why: 'layers are always kept for overlayfs' },
  'storage-opt': { kind: 'list', key: 'storage-opts', why: 'layers are always kept for overlayfs' },
  'exec-opt': { kind: 'list', key: 'exec-opts', why: 'cgroups are always made by the runtime (cgroupfs)' },
  'cpu-rt-period': { kind: 'number', why: 'there is no real-time scheduling of cgroups' },
  'cpu-rt-runtime': { kind: 'number', why: 'there is no real-time scheduling of cgroups' },
  experimental: { kind: 'boolean', why: 'there is nothing that it opens' },
  features: { kind: 'list', why: 'there is nothing that it opens' },
  builder: { kind: 'string', why: 'layers of builds are kept as long as their images' },
  'oom-score-adjust': { kind: 'number', why: 'set it in the unit of the service manager' },
  'raw-logs': { kind: 'boolean', why: 'logs have no colours' },
  'log-format': { kind: 'string', why: 'logs have one format' },
  'selinux-enabled': { kind: 'boolean', why: 'labels are used where the kernel has SELinux' },
  'allow-nondistributable-artifacts': { kind: 'list', why: 'layers that are there are pushed' },
  'api-cors-header': { kind: 'string', why: 'browsers of other sites are never let in' },
  rootless: { kind: 'boolean', why: 'swarmtsd needs to be started as root' },
};

/** What would be less safe, or other than asked for, if it were ignored. */
export const REFUSED: Readonly<Record<string, { readonly kind: Kind; readonly key?: string; readonly why: string }>> = {
  'authorization-plugin': {
    kind: 'list',
    key: 'authorization-plugins',
    why: 'there are no plugins; clients with certificates of role readonly can only read (`swarmts client-cert create`)',
  },
};

export function usage(): string {
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
    `  ${'    --validate'.padEnd(46)}Look at the settings, and quit`,
    `  ${'-v, --version'.padEnd(46)}Print version information and quit`,
    '',
  ].join('\n');
}
