/**
 * The body of POST /containers/create. What this release cannot do is refused by name instead of being ignored, where ignoring
 * it would make the container behave otherwise than asked.
 */
import { isIP } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';
import { checkInterfaceName, ENDPOINT_IFNAME, ENDPOINT_SYSCTLS, endpointSysctls, parseReference } from '@swarmts/proto';
import type { ContainerCreate, ContainerLink, GivenConfig, NetworkWish } from '../backend.js';
import { JsonObject } from '../json/object.js';
import { consoleSize } from './console-size.js';
import { readLimits, readRestartPolicy } from './container-limits.js';
import { readLink } from './container-link.js';
import { readMounts } from './container-mounts.js';
import { readDevices, readLog, readSecurity } from './container-security.js';

export function readContainerCreate(o: JsonObject, name: string, platform = ''): ContainerCreate {
  if (name !== '' && !/^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw new SwarmtsError(
      'invalid-argument',
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  const host = o.object('HostConfig') ?? new JsonObject({}, 'HostConfig');
  refuseUnsupported(host);
  if (host.string('UTSMode') === 'host' && o.string('Hostname') !== '')
    throw new SwarmtsError('invalid-argument', 'conflicting options: hostname and the UTS mode');
  const image = o.string('Image');
  if (image === '') throw new SwarmtsError('invalid-argument', 'No image was specified');
  checkImage(image);
  return {
    name: name.replace(/^\//, ''),
    image,
    platform,
    given: givenOf(o, host),
    ...processOf(o),
    ...networkOf(o, host),
    ...readSecurity(host),
    ...readDevices(host),
    ...readLog(host),
    ...restartOf(host),
    ...consoleSizeOf(host),
    mounts: readMounts(o, host),
    volumesFrom: host.strings('VolumesFrom'),
    resources: readLimits(host),
    capAdd: host.strings('CapAdd'),
    capDrop: host.strings('CapDrop'),
    privileged: host.boolean('Privileged'),
    readOnlyRootfs: host.boolean('ReadonlyRootfs'),
    ...(host.has('Init') ? { init: host.boolean('Init') } : {}),
    sysctls: host.map('Sysctls'),
    pidMode: host.string('PidMode'),
    ipcMode: host.string('IpcMode'),
    utsMode: host.string('UTSMode'),
    cgroupnsMode: host.string('CgroupnsMode'),
    usernsMode: host.string('UsernsMode'),
    ...text(host, 'cgroupParent', 'CgroupParent'),
    ...text(host, 'runtime', 'Runtime'),
    ...(host.strings('GroupAdd').length > 0 ? { groups: host.strings('GroupAdd') } : {}),
    ...(host.integer('ShmSize') === 0 ? {} : { shmSizeBytes: host.integer('ShmSize') }),
    ...(host.has('Annotations') ? { annotations: host.map('Annotations') } : {}),
  };
}

/** What Docker's clients see again when they inspect the container. */
function givenOf(o: JsonObject, host: JsonObject): GivenConfig {
  const { HostConfig: _host, NetworkingConfig: _networks, ...config } = o.value;
  return { config, hostConfig: host.value };
}

function processOf(o: JsonObject) {
  const health = o.object('Healthcheck');
  return {
    labels: o.map('Labels'),
    ...(o.has('Entrypoint') ? { entrypoint: stringOrList(o, 'Entrypoint') } : {}),
    ...(o.has('Cmd') ? { cmd: stringOrList(o, 'Cmd') } : {}),
    env: o.strings('Env'),
    ...text(o, 'user', 'User'),
    ...text(o, 'workingDir', 'WorkingDir'),
    ...text(o, 'hostname', 'Hostname'),
    ...text(o, 'domainname', 'Domainname'),
    ...text(o, 'stopSignal', 'StopSignal'),
    tty: o.boolean('Tty'),
    openStdin: o.boolean('OpenStdin'),
    stdinOnce: o.boolean('StdinOnce'),
    ...(o.has('StopTimeout') ? { stopTimeoutSeconds: o.integer('StopTimeout') } : {}),
    ...(health === undefined ? {} : { health: healthOf(health) }),
  };
}

function healthOf(o: JsonObject) {
  return {
    test: o.strings('Test'),
    intervalNs: o.integer('Interval'),
    timeoutNs: o.integer('Timeout'),
    startPeriodNs: o.integer('StartPeriod'),
    startIntervalNs: o.integer('StartInterval'),
    retries: o.integer('Retries'),
  };
}

function networkOf(o: JsonObject, host: JsonObject) {
  const mode = o.boolean('NetworkDisabled') ? 'none' : host.string('NetworkMode');
  const shared = mode.startsWith('container:') ? mode.slice('container:'.length) : '';
  const wrong = (why: string) => new SwarmtsError('invalid-argument', why);
  if (/^container:?$/.test(mode)) throw wrong('invalid container format container:<name|id>');
  if (mode === 'host' && o.string('MacAddress') !== '') {
    throw wrong('conflicting options: mac-address and the network mode');
  }
  const configured = networksOf(mode, o.object('NetworkingConfig')?.object('EndpointsConfig'));
  const ports = portsOf(host.object('PortBindings'));
  if (shared !== '') refuseOwnNetworking(o, host);
  const networks = unlessPlain(withMac(configured, o.string('MacAddress')));
  const links = linksOf(mode, host.strings('Links'));
  const dns = { servers: nameServers(host), search: host.strings('DnsSearch'), options: host.strings('DnsOptions') };
  return {
    networkMode: modeOf(mode),
    ...(shared === '' ? {} : { networkContainer: shared }),
    ...(networks.length > 0 ? { networks } : {}),
    ports,
    publishAllPorts: host.boolean('PublishAllPorts'),
    exposedPorts: Object.keys(o.object('ExposedPorts')?.value ?? {}).map(exposedPort),
    links,
    extraHosts: host.strings('ExtraHosts').map(extraHostOf),
    ...(dns.servers.length + dns.search.length + dns.options.length > 0 ? { dns } : {}),
  };
}

function nameServers(host: JsonObject): readonly string[] {
  const servers = host.strings('Dns');
  const wrong = servers.find((s) => isIP(s) === 0);
  if (wrong === undefined) return servers;
  throw new SwarmtsError('invalid-argument', `invalid IP address in dns: ${JSON.stringify(wrong)}`);
}

/** What belongs to the network is the other container's. */
function refuseOwnNetworking(o: JsonObject, host: JsonObject): void {
  const publishes = Object.keys(host.object('PortBindings')?.value ?? {}).length > 0 || host.boolean('PublishAllPorts');
  const asked: readonly (readonly [boolean, string])[] = [
    [o.string('Hostname') !== '', 'hostname and the network mode'],
    [host.strings('Dns').length > 0, 'dns and the network mode'],
    [host.strings('ExtraHosts').length > 0, 'custom host-to-IP mapping and the network mode'],
    [o.string('MacAddress') !== '', 'mac-address and the network mode'],
    [publishes, 'port publishing and the container type network mode'],
    [
      Object.keys(o.object('ExposedPorts')?.value ?? {}).length > 0,
      'port exposing and the container type network mode',
    ],
  ];
  const conflict = asked.find(([is]) => is);
  if (conflict) throw new SwarmtsError('invalid-argument', `conflicting options: ${conflict[1]}`);
}

function modeOf(mode: string): ContainerCreate['networkMode'] {
  return mode === 'host' || mode === 'none' ? mode : 'local';
}

function text<K extends string>(o: JsonObject, key: K, name: string): { readonly [P in K]?: string } {
  const value = o.string(name);
  return value === '' ? {} : ({ [key]: value } as { readonly [P in K]: string });
}

function restartOf(host: JsonObject | undefined): Pick<ContainerCreate, 'restart' | 'autoRemove'> {
  const restart = readRestartPolicy(host?.object('RestartPolicy'));
  const autoRemove = host?.boolean('AutoRemove') ?? false;
  if (autoRemove && restart && restart.name !== 'no') {
    throw new SwarmtsError('invalid-argument', "can't create 'AutoRemove' container with restart policy");
  }
  return { autoRemove, ...(restart ? { restart } : {}) };
}

function consoleSizeOf(host: JsonObject | undefined): Pick<ContainerCreate, 'consoleSize'> {
  const size = host && consoleSize(host);
  return size ? { consoleSize: size } : {};
}

function refuseUnsupported(host: JsonObject): void {
  const isolation = host.string('Isolation');
  if (isolation !== '' && isolation !== 'default') {
    throw new SwarmtsError('invalid-argument', `Invalid isolation: "${isolation}" - linux only supports 'default'`);
  }
  if (host.integer('IOMaximumBandwidth') !== 0 || host.integer('IOMaximumIOps') !== 0) {
    const what = 'linux does not support Maximum IO Bandwidth or Maximum IO IOps';
    throw new SwarmtsError('invalid-argument', `Invalid QoS settings: ${what}`);
  }
  if ('' in host.map('Annotations')) {
    const what = 'the empty string is not permitted as an annotation key';
    throw new SwarmtsError('invalid-argument', `invalid Annotations: ${what}`);
  }
  // The size of an upper directory is a project quota, which the file systems of nodes rarely have.
  if (Object.keys(host.map('StorageOpt')).length > 0) {
    const what = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
    throw new SwarmtsError('unsupported', what);
  }
}

function stringOrList(o: JsonObject, name: string): readonly string[] {
  const v = o.raw(name);
  return typeof v === 'string' ? [v] : o.strings(name);
}

const DEFAULT_MODES: readonly string[] = ['', 'default', 'bridge'];
const BRIDGE = 'bridge';

/** The network that the mode names, and those that are configured beside it; these alone where the mode leaves it to them. */
function networksOf(mode: string, configs: JsonObject | undefined): readonly NetworkWish[] {
  if (mode === 'host' || mode === 'none' || mode.startsWith('container:')) return [];
  const nameOf = (text: string) => (DEFAULT_MODES.includes(text) ? BRIDGE : text);
  const configOf = (target: string) =>
    target === BRIDGE ? DEFAULT_MODES.map((m) => configs?.object(m)).find((o) => o) : configs?.object(target);
  const configured = Object.keys(configs?.value ?? {});
  const isLeftToThem = DEFAULT_MODES.includes(mode) && configured.length > 0;
  const targets = new Set((isLeftToThem ? configured : [mode, ...configured]).map(nameOf));
  return [...targets].map((target) => {
    const wish = readWish(target, configOf(target));
    if (target === BRIDGE) refuseOnBridge(wish);
    return wish;
  });
}

/** Before clients said it for each network, they said it for the container: it is that of the first one. */
function withMac(networks: readonly NetworkWish[], mac: string): readonly NetworkWish[] {
  const [first, ...others] = networks;
  if (mac === '' || !first) return networks;
  if (first.mac !== undefined && canonicalMac(first.mac) !== canonicalMac(validMac(mac))) {
    const what = 'the endpoint-specific MAC address for the main network, or be left empty';
    throw new SwarmtsError('invalid-argument', `the container-wide MAC address must match ${what}`);
  }
  return [{ ...first, mac: first.mac ?? validMac(mac) }, ...others];
}

/** One that is on the node's own network alone, and has no wish there, needs not say so. */
function unlessPlain(networks: readonly NetworkWish[]): readonly NetworkWish[] {
  const [first, ...others] = networks;
  const isPlain = first?.target === BRIDGE && first.mac === undefined && !first.driverOptions && !first.gatewayPriority;
  return isPlain && others.length === 0 ? [] : networks;
}

function validMac(mac: string): string {
  if (/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) return mac;
  throw new SwarmtsError('invalid-argument', `${mac} is not a valid mac address`);
}

const canonicalMac = (mac: string): string => mac.toLowerCase().replaceAll('-', ':');

/** The addresses of the node's own network are its to give, and it knows no names. */
export function refuseOnBridge({ addresses, aliases }: NetworkWish): void {
  const refuse = (why: string) => {
    throw new SwarmtsError('invalid-argument', why);
  };
  const wrong = addresses.find((a) => isIP(a) === 0);
  if (wrong !== undefined) refuse(`invalid IP address: ${wrong}`);
  if (addresses.length > 0) refuse('user specified IP address is supported on user defined networks only');
  if (aliases.length > 0) refuse('network-scoped aliases are only supported for user-defined networks');
}

/** On networks that users have made, links are those of the endpoint. */
function linksOf(mode: string, links: readonly string[]): readonly ContainerLink[] {
  if (links.length === 0) return [];
  const shared =
    mode === 'host' ? 'host type networking' : mode.startsWith('container:') ? 'container type network' : '';
  if (shared !== '') {
    const text = `conflicting options: ${shared} can't be used with links. This would result in undefined behavior`;
    throw new SwarmtsError('invalid-argument', text);
  }
  return DEFAULT_MODES.includes(mode) ? links.map(readLink) : [];
}

/** An entry of EndpointsConfig, or the body of a connect. */
export function readWish(target: string, o: JsonObject | undefined): NetworkWish {
  const ipam = o?.object('IPAMConfig');
  refuseEndpointOptions(target, o, ipam);
  const driverOptions = o?.map('DriverOpts') ?? {};
  const gatewayPriority = o?.integer('GwPriority') ?? 0;
  const mac = o?.string('MacAddress') ?? '';
  return {
    target,
    aliases: o?.strings('Aliases') ?? [],
    links: (o?.strings('Links') ?? []).map(readLink),
    addresses: fixedAddresses(target, ipam),
    ...(mac === '' ? {} : { mac: validMac(mac) }),
    ...(Object.keys(driverOptions).length > 0 ? { driverOptions } : {}),
    ...(gatewayPriority === 0 ? {} : { gatewayPriority }),
  };
}

/** Throws 'invalid-argument' with all that is wrong. */
function fixedAddresses(target: string, ipam: JsonObject | undefined): readonly string[] {
  const given = ([4, 6] as const).map((family) => ({ family, text: ipam?.string(`IPv${family}Address`) ?? '' }));
  const wrong = given.filter(
    ({ family, text }) => text !== '' && (isIP(text) !== family || /^(0\.0\.0\.0|::)$|%/.test(text)),
  );
  // The node's own network has words of its own for them.
  if (wrong.length > 0 && target !== BRIDGE) {
    const what = wrong.map(({ family, text }) => `invalid IPv${family} address: ${text}`).join('\n');
    throw new SwarmtsError(
      'invalid-argument',
      `invalid config for network ${target}: invalid endpoint settings:\n${what}`,
    );
  }
  return given.map(({ text }) => text).filter((text) => text !== '');
}

/** They would be without effect. Options of drivers that no driver knows are kept for those who inspect, as Docker does. */
function refuseEndpointOptions(target: string, o: JsonObject | undefined, ipam: JsonObject | undefined): void {
  const refuse = (what: string) => {
    const way = 'leave them out';
    throw new SwarmtsError('unsupported', `${what} of a container on network ${target} are not supported: ${way}`);
  };
  if ((ipam?.strings('LinkLocalIPs') ?? []).length > 0) refuse('link-local addresses');
  const { [ENDPOINT_SYSCTLS]: sysctls = '', [ENDPOINT_IFNAME]: ifname = '' } = o?.map('DriverOpts') ?? {};
  endpointSysctls(sysctls, '');
  if (ifname !== '') checkInterfaceName(ifname, `${ENDPOINT_IFNAME} ${JSON.stringify(ifname)}`);
}

function portsOf(bindings: JsonObject | undefined): ContainerCreate['ports'] {
  if (!bindings) return [];
  return Object.keys(bindings.value).flatMap((key) => {
    const [port = '', protocol = 'tcp'] = key.split('/');
    const targetPort = Number(port);
    if (!Number.isInteger(targetPort) || targetPort < 1 || targetPort > 65535 || !isProtocol(protocol)) {
      throw new SwarmtsError('invalid-argument', `invalid port specification: "${key}"`);
    }
    const given = bindings.objects(key);
    // A port alone is one that is published at any other.
    if (given.length === 0) return [{ protocol, targetPort, publishedPort: 0 }];
    return given.map((b) => ({
      protocol,
      targetPort,
      ...publishedPorts(b.string('HostPort')),
      ...(b.string('HostIp') === '' ? {} : { hostIp: b.string('HostIp') }),
    }));
  });
}

/** "8000", or "8000-8010" for any of them; '' and "0" for any at all. */
function publishedPorts(text: string): Pick<ContainerCreate['ports'][number], 'publishedPort' | 'lastPublishedPort'> {
  const [, first = '0', last = first] = /^(?:(\d{1,5})(?:-(\d{1,5}))?)?$/.exec(text) ?? [undefined, 'none'];
  const [publishedPort, lastPublishedPort] = [Number(first), Number(last)];
  if (!(lastPublishedPort <= 65535 && publishedPort <= lastPublishedPort)) {
    throw new SwarmtsError('invalid-argument', `invalid port specification: "${text}"`);
  }
  return { publishedPort, ...(lastPublishedPort > publishedPort ? { lastPublishedPort } : {}) };
}

/** "80/tcp" in parts. */
function exposedPort(key: string): ContainerCreate['exposedPorts'][number] {
  const [port = '', protocol = 'tcp'] = key.split('/');
  const targetPort = Number(port);
  if (!Number.isInteger(targetPort) || targetPort < 1 || targetPort > 65535 || !isProtocol(protocol)) {
    throw new SwarmtsError('invalid-argument', `invalid port specification: "${key}"`);
  }
  return { protocol, targetPort };
}

function isProtocol(p: string): p is 'tcp' | 'udp' | 'sctp' {
  return p === 'tcp' || p === 'udp' || p === 'sctp';
}

const HOST_GATEWAY = 'host-gateway';

/** Docker's "name:ip" as a line of /etc/hosts. */
function extraHostOf(text: string): string {
  const at = text.indexOf(':');
  if (at < 1) throw new SwarmtsError('invalid-argument', `bad format for add-host: "${text}"`);
  const address = text.slice(at + 1);
  if (address !== HOST_GATEWAY && isIP(address.replace(/^\[(.*)\]$/, '$1')) === 0)
    throw new SwarmtsError('invalid-argument', `invalid IP address in add-host: "${address}"`);
  return `${address} ${text.slice(0, at)}`;
}

/** An id, or part of one, is no reference and needs not look like it. Throws SwarmtsError 'invalid-argument'. */
function checkImage(image: string): void {
  if (!/^(?:sha256:)?[0-9a-f]+$/.test(image)) parseReference(image);
}
