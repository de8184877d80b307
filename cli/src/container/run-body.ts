/** From the flags of `run` and `create` to the body of the request. Pure, except for files that the flags name. */
import { readFileSync } from 'node:fs';
import type { FlagValues } from '../args/flag.js';
import { CommandError, fileErrorText } from '../exit.js';
import { readEnvFile, readEnvironment } from '../service/environment.js';
import type { createFlags } from './run-flags.js';
import { gpuRequest, pairs, portBindings, tmpfsMap } from './run-values.js';

export type CreateFlags = FlagValues<typeof createFlags>;
type Env = Readonly<Record<string, string | undefined>>;

/** `attached` is whether somebody stays at the container's streams. */
export function createBody(
  f: CreateFlags,
  image: string,
  cmd: readonly string[],
  o: { readonly env: Env; readonly attached: boolean },
): Record<string, unknown> {
  const ports = portBindings(f.publish);
  const exposed = [...Object.keys(ports), ...f.expose.map((e) => (e.includes('/') ? e : `${e}/tcp`))];
  const [binds, volumes] = volumesOf(f.volume);
  const attaches = (stream: string) => f.attach.map((a) => a.toLowerCase()).includes(stream);
  const outputs = o.attached && f.attach.length === 0;
  return {
    Image: image,
    ...(cmd.length > 0 ? { Cmd: cmd } : {}),
    ...(f.entrypoint === undefined ? {} : { Entrypoint: [f.entrypoint] }),
    Hostname: f.hostname,
    Domainname: f.domainname,
    User: f.user,
    AttachStdin: attaches('stdin') || (outputs && f.interactive),
    AttachStdout: attaches('stdout') || outputs,
    AttachStderr: attaches('stderr') || outputs,
    Tty: f.tty,
    OpenStdin: f.interactive,
    StdinOnce: o.attached && f.interactive,
    Env: readEnvironment(f['env-file'], f.env, o.env),
    ExposedPorts: Object.fromEntries(exposed.map((p) => [p, {}])),
    Volumes: volumes,
    WorkingDir: f.workdir,
    Labels: pairs([...f['label-file'].flatMap(readEnvFile), ...f.label]),
    ...(f['stop-signal'] === '' ? {} : { StopSignal: f['stop-signal'] }),
    ...(f['stop-timeout'] === undefined ? {} : { StopTimeout: f['stop-timeout'] }),
    ...healthOf(f),
    HostConfig: { ...hostConfigOf(f), Binds: binds, PortBindings: ports },
    ...networksOf(f),
  };
}

/** Named and host sources are binds, a path alone is a volume without a name. */
function volumesOf(flags: readonly string[]): [string[], Record<string, object>] {
  const binds = flags.filter((v) => v.includes(':'));
  const volumes = flags.filter((v) => !v.includes(':'));
  return [binds.map(absolute), Object.fromEntries(volumes.map((v) => [v, {}]))];
}

function absolute(bind: string): string {
  return /^\.{1,2}(\/|:)/.test(bind) ? `${process.cwd()}/${bind}` : bind;
}

function healthOf(f: CreateFlags): object {
  if (f['no-healthcheck']) return { Healthcheck: { Test: ['NONE'] } };
  const health = {
    Test: f['health-cmd'] ? ['CMD-SHELL', f['health-cmd']] : undefined,
    Interval: f['health-interval'],
    Timeout: f['health-timeout'],
    StartPeriod: f['health-start-period'],
    StartInterval: f['health-start-interval'],
    Retries: f['health-retries'],
  };
  return Object.values(health).some((v) => v !== undefined) ? { Healthcheck: health } : {};
}

function hostConfigOf(f: CreateFlags): Record<string, unknown> {
  const options = f['security-opt'].filter((s) => s !== 'systempaths=unconfined').map(securityOption);
  const unconfined = f['security-opt'].includes('systempaths=unconfined');
  return {
    AutoRemove: f.rm,
    NetworkMode: f.network[0] ?? 'default',
    RestartPolicy: f.restart ?? { Name: 'no', MaximumRetryCount: 0 },
    LogConfig: { Type: f['log-driver'], Config: pairs(f['log-opt']) },
    PublishAllPorts: f['publish-all'],
    Privileged: f.privileged,
    ReadonlyRootfs: f['read-only'],
    CapAdd: f['cap-add'],
    CapDrop: f['cap-drop'],
    SecurityOpt: options,
    ...(unconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
    GroupAdd: f['group-add'],
    Links: f.link,
    Dns: f.dns,
    DnsOptions: f['dns-option'],
    DnsSearch: f['dns-search'],
    ExtraHosts: f['add-host'],
    Mounts: f.mount,
    Tmpfs: tmpfsMap(f.tmpfs),
    VolumeDriver: f['volume-driver'],
    VolumesFrom: f['volumes-from'],
    Sysctls: pairs(f.sysctl),
    Annotations: pairs(f.annotation),
    ShmSize: f['shm-size'] ?? 0,
    PidMode: f.pid,
    IpcMode: f.ipc,
    UTSMode: f.uts,
    UsernsMode: f.userns,
    CgroupnsMode: f.cgroupns,
    CgroupParent: f['cgroup-parent'],
    Runtime: f.runtime,
    ...(f.init === undefined ? {} : { Init: f.init }),
    ...resourcesOf(f),
    Devices: f.device,
    DeviceCgroupRules: f['device-cgroup-rule'],
    DeviceRequests: f.gpus === '' ? [] : [gpuRequest(f.gpus)],
  };
}

function resourcesOf(f: CreateFlags): Record<string, unknown> {
  return {
    NanoCpus: f.cpus,
    CpuShares: f['cpu-shares'],
    CpuPeriod: f['cpu-period'],
    CpuQuota: f['cpu-quota'],
    CpusetCpus: f['cpuset-cpus'],
    CpusetMems: f['cpuset-mems'],
    Memory: f.memory,
    MemoryReservation: f['memory-reservation'],
    MemorySwap: f['memory-swap'],
    MemorySwappiness: f['memory-swappiness'],
    OomKillDisable: f['oom-kill-disable'],
    OomScoreAdj: f['oom-score-adj'],
    PidsLimit: f['pids-limit'],
    BlkioWeight: f['blkio-weight'],
    BlkioWeightDevice: f['blkio-weight-device'],
    BlkioDeviceReadBps: f['device-read-bps'],
    BlkioDeviceReadIOps: f['device-read-iops'],
    BlkioDeviceWriteBps: f['device-write-bps'],
    BlkioDeviceWriteIOps: f['device-write-iops'],
    Ulimits: f.ulimit,
  };
}

/** A seccomp profile is a file here; the daemon wants what is in it. */
export function securityOption(option: string): string {
  const profile = /^seccomp[=:](.+)$/.exec(option)?.[1];
  if (profile === undefined || profile === 'unconfined' || profile === 'builtin') return option;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(profile, 'utf8')))}`;
  } catch (e) {
    throw new CommandError(`opening seccomp profile (${profile}) failed: ${fileErrorText(e)}`);
  }
}

function networksOf(f: CreateFlags): object {
  const [first = 'default', ...more] = f.network;
  const ipam = { IPv4Address: f.ip, IPv6Address: f.ip6 };
  const special =
    f.ip !== '' || f.ip6 !== '' || f['network-alias'].length + f.link.length > 0 || f['mac-address'] !== '';
  if (!special && more.length === 0) return {};
  const own = { IPAMConfig: ipam, Aliases: f['network-alias'], Links: f.link, MacAddress: f['mac-address'] };
  const rest = more.map((name) => [name, {}] as const);
  return { NetworkingConfig: { EndpointsConfig: Object.fromEntries([[first, own], ...rest]) } };
}
