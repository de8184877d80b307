/**
 * The body of POST /containers/create. What this release cannot do is refused by name instead of being ignored, where ignoring
 * it would make the container behave otherwise than asked.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerCreate, NetworkWish } from '../backend.js';
import type { JsonObject } from '../json/object.js';
import { consoleSize } from './console-size.js';
import { readRestartPolicy } from './container-limits.js';

export function readContainerCreate(o: JsonObject, name: string): ContainerCreate {
  if (name !== '' && !/^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw new SwarmtsError(
      'invalid-argument',
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  const host = o.object('HostConfig');
  if (host) refuseUnsupported(host);
  const mode = host?.string('NetworkMode') ?? '';
  const image = o.string('Image');
  if (image === '') throw new SwarmtsError('invalid-argument', 'No image was specified');
  return {
    name: name.replace(/^\//, ''),
    image,
    labels: o.map('Labels'),
    ...(o.has('Entrypoint') ? { entrypoint: stringOrList(o, 'Entrypoint') } : {}),
    ...(o.has('Cmd') ? { cmd: stringOrList(o, 'Cmd') } : {}),
    env: o.strings('Env'),
    user: o.string('User'),
    workingDir: o.string('WorkingDir'),
    hostname: o.string('Hostname'),
    domainname: o.string('Domainname'),
    tty: o.boolean('Tty'),
    openStdin: o.boolean('OpenStdin'),
    stdinOnce: o.boolean('StdinOnce'),
    ...consoleSizeOf(host),
    stopSignal: o.string('StopSignal'),
    ...restartOf(host),
    ...(o.has('StopTimeout') ? { stopTimeoutSeconds: o.integer('StopTimeout') } : {}),
    networkMode: networkModeOf(mode),
    networks: networksOf(mode, o.object('NetworkingConfig')?.object('EndpointsConfig')),
    ports: portsOf(host?.object('PortBindings')),
    publishAllPorts: host?.boolean('PublishAllPorts') ?? false,
    exposedPorts: Object.keys(o.object('ExposedPorts')?.value ?? {}).map(exposedPort),
    mounts: [
      ...(host?.strings('Binds') ?? []).map(bindOf),
      ...(host?.objects('Mounts') ?? []).map(mountOf),
      ...tmpfsOf(host),
    ],
    extraHosts: (host?.strings('ExtraHosts') ?? []).map(extraHostOf),
    dns: {
      servers: host?.strings('Dns') ?? [],
      search: host?.strings('DnsSearch') ?? [],
      options: host?.strings('DnsOptions') ?? [],
    },
    nanoCpus: host?.integer('NanoCpus') ?? 0,
    cpuShares: host?.integer('CpuShares') ?? 0,
    memoryBytes: host?.integer('Memory') ?? 0,
    memoryReservationBytes: host?.integer('MemoryReservation') ?? 0,
    memorySwapBytes: host?.integer('MemorySwap') ?? 0,
    pidsLimit: host?.integer('PidsLimit') ?? 0,
    ulimits: (host?.objects('Ulimits') ?? []).map((u) => ({
      name: u.string('Name'),
      soft: u.integer('Soft'),
      hard: u.integer('Hard'),
    })),
    capAdd: host?.strings('CapAdd') ?? [],
    capDrop: host?.strings('CapDrop') ?? [],
    privileged: host?.boolean('Privileged') ?? false,
    readOnlyRootfs: host?.boolean('ReadonlyRootfs') ?? false,
    init: host?.boolean('Init') ?? false,
    sysctls: host?.map('Sysctls') ?? {},
    shmSizeBytes: host?.integer('ShmSize') ?? 0,
    securityOpt: host?.strings('SecurityOpt') ?? [],
  };
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
  const asked: readonly (readonly [boolean, string])[] = [
    [host.strings('Links').length > 0, '--link'],
    [host.strings('VolumesFrom').length > 0, '--volumes-from'],
    [host.objects('Devices').length > 0, '--device'],
    [host.string('PidMode') !== '', '--pid'],
    [host.string('UsernsMode') !== '', '--userns'],
  ];
  for (const [is, flag] of asked) {
    if (is)
      throw new SwarmtsError('unsupported', `${flag} is not supported for plain containers by this release of swarmts`);
  }
}

function stringOrList(o: JsonObject, name: string): readonly string[] {
  const v = o.raw(name);
  return typeof v === 'string' ? [v] : o.strings(name);
}

const DEFAULT_MODES: readonly string[] = ['', 'default', 'bridge'];

function networkModeOf(mode: string): 'local' | 'host' | 'none' {
  if (mode === 'host' || mode === 'none') return mode;
  if (mode.startsWith('container:')) {
    throw new SwarmtsError(
      'unsupported',
      `--network ${mode} is not supported for plain containers by this release of swarmts`,
    );
  }
  return 'local';
}

/** The network that the mode names, and those that are configured beside it. */
function networksOf(mode: string, configs: JsonObject | undefined): ContainerCreate['networks'] {
  if (mode === 'host' || mode === 'none') return [];
  const configured = Object.keys(configs?.value ?? {}).filter((name) => !DEFAULT_MODES.includes(name));
  const first = DEFAULT_MODES.includes(mode) ? [] : [mode];
  return [...new Set([...first, ...configured])].map((target) => readWish(target, configs?.object(target)));
}

/** An entry of EndpointsConfig, or the body of a connect. */
export function readWish(target: string, o: JsonObject | undefined): NetworkWish {
  const ipam = o?.object('IPAMConfig');
  const mac = o?.string('MacAddress') ?? '';
  return {
    target,
    aliases: o?.strings('Aliases') ?? [],
    addresses: [ipam?.string('IPv4Address') ?? '', ipam?.string('IPv6Address') ?? ''].filter((a) => a !== ''),
    ...(mac === '' ? {} : { mac }),
  };
}

function portsOf(bindings: JsonObject | undefined): ContainerCreate['ports'] {
  if (!bindings) return [];
  return Object.keys(bindings.value).flatMap((key) => {
    const [port = '', protocol = 'tcp'] = key.split('/');
    const targetPort = Number(port);
    if (!Number.isInteger(targetPort) || targetPort < 1 || targetPort > 65535 || !isProtocol(protocol)) {
      throw new SwarmtsError('invalid-argument', `invalid port specification: "${key}"`);
    }
    return bindings.objects(key).map((b) => {
      const text = b.string('HostPort');
      const publishedPort = text === '' ? 0 : Number(text);
      if (!Number.isInteger(publishedPort) || publishedPort < 0 || publishedPort > 65535) {
        throw new SwarmtsError('invalid-argument', `invalid port specification: "${text}"`);
      }
      return { protocol, targetPort, publishedPort, hostIp: b.string('HostIp') };
    });
  });
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

type MountList = ContainerCreate['mounts'];

function bindOf(text: string): MountList[number] {
  const [source = '', target = '', options = ''] = text.split(':');
  if (target === '') {
    if (!source.startsWith('/')) throw new SwarmtsError('invalid-argument', `invalid volume specification: '${text}'`);
    return { type: 'volume', source: '', target: source, readOnly: false };
  }
  if (!target.startsWith('/')) {
    throw new SwarmtsError(
      'invalid-argument',
      `invalid volume specification: '${text}': invalid mount config for type "bind": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  return {
    type: source.startsWith('/') ? 'bind' : 'volume',
    source,
    target,
    readOnly: options.split(',').includes('ro'),
  };
}

function mountOf(m: JsonObject): MountList[number] {
  const type = m.oneOf<'bind' | 'volume' | 'tmpfs'>(
    'Type',
    { bind: 'bind', volume: 'volume', tmpfs: 'tmpfs' },
    'volume',
  );
  const tmpfs = m.object('TmpfsOptions');
  return {
    type,
    source: m.string('Source'),
    target: m.string('Target'),
    readOnly: m.boolean('ReadOnly'),
    ...(tmpfs?.has('SizeBytes') ? { tmpfsSizeBytes: tmpfs.integer('SizeBytes') } : {}),
    ...(tmpfs?.has('Mode') ? { tmpfsMode: tmpfs.integer('Mode') } : {}),
  };
}

function tmpfsOf(host: JsonObject | undefined): MountList {
  return Object.keys(host?.map('Tmpfs') ?? {}).map((target) => ({
    type: 'tmpfs',
    source: '',
    target,
    readOnly: false,
  }));
}

/** Docker's "name:ip" as a line of /etc/hosts. */
function extraHostOf(text: string): string {
  const at = text.indexOf(':');
  if (at < 1) throw new SwarmtsError('invalid-argument', `bad format for add-host: "${text}"`);
  return `${text.slice(at + 1)} ${text.slice(0, at)}`;
}
