/** TaskTemplate.ContainerSpec, both ways. Registry credentials are never shown. */
import {
  ConfigReference,
  ContainerSpec,
  DnsConfig,
  FileTarget,
  HealthConfig,
  Mount,
  MountType,
  Privileges,
  SecretReference,
} from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { base64, omitEmpty, wordOf } from '../json/write.js';
import { readTmpfsWords, tmpfsWordJson } from './tmpfs-words.js';

const mountTypes: Readonly<Record<string, MountType>> = {
  bind: MountType.BIND,
  volume: MountType.VOLUME,
  tmpfs: MountType.TMPFS,
  npipe: MountType.NAMED_PIPE,
  cluster: MountType.CLUSTER,
};

export function readContainerSpec(o: JsonObject): ContainerSpec {
  const health = o.object('Healthcheck');
  const dns = o.object('DNSConfig');
  const privileges = o.object('Privileges');
  return ContainerSpec.create({
    image: o.string('Image'),
    labels: o.map('Labels'),
    command: o.strings('Command'),
    args: o.strings('Args'),
    hostname: o.string('Hostname'),
    env: o.strings('Env'),
    dir: o.string('Dir'),
    user: o.string('User'),
    groups: o.strings('Groups'),
    tty: o.boolean('TTY'),
    openStdin: o.boolean('OpenStdin'),
    readOnly: o.boolean('ReadOnly'),
    mounts: o.objects('Mounts').map(readMount),
    stopSignal: o.string('StopSignal'),
    stopGracePeriodNs: o.integer('StopGracePeriod'),
    hasStopGracePeriod: o.has('StopGracePeriod'),
    healthcheck: health === undefined ? undefined : readHealth(health),
    hosts: o.strings('Hosts'),
    dnsConfig:
      dns === undefined
        ? undefined
        : DnsConfig.create({
            nameservers: dns.strings('Nameservers'),
            search: dns.strings('Search'),
            options: dns.strings('Options'),
          }),
    secrets: o.objects('Secrets').map((s) =>
      SecretReference.create({
        secretId: s.string('SecretID'),
        secretName: s.string('SecretName'),
        file: readFile(s.object('File')),
      }),
    ),
    configs: o.objects('Configs').map((c) =>
      ConfigReference.create({
        configId: c.string('ConfigID'),
        configName: c.string('ConfigName'),
        file: readFile(c.object('File')),
        runtime: c.has('Runtime'),
      }),
    ),
    init: o.boolean('Init'),
    hasInit: o.has('Init'),
    sysctls: o.map('Sysctls'),
    capAdd: o.strings('CapabilityAdd'),
    capDrop: o.strings('CapabilityDrop'),
    ulimits: o.objects('Ulimits').map((u) => ({
      name: u.string('Name'),
      soft: u.integer('Soft'),
      hard: u.integer('Hard'),
    })),
    oomScoreAdj: o.integer('OomScoreAdj'),
    privileges: privileges === undefined ? undefined : readPrivileges(privileges),
    // Stored as absent, as it is where a client leaves it out: what GET shows can be sent back without a change.
    isolation: o.string('Isolation') === 'default' ? '' : o.string('Isolation'),
  });
}

export function containerSpecJson(c: ContainerSpec): Record<string, unknown> {
  return {
    ...omitEmpty({
      Image: c.image,
      Labels: c.labels,
      Command: c.command,
      Args: c.args,
      Hostname: c.hostname,
      Env: c.env,
      Dir: c.dir,
      User: c.user,
      Groups: c.groups,
      Privileges: c.privileges === undefined ? undefined : privilegesJson(c.privileges),
      TTY: c.tty,
      OpenStdin: c.openStdin,
      ReadOnly: c.readOnly,
      Mounts: c.mounts.map(mountJson),
      StopSignal: c.stopSignal,
    }),
    ...(c.hasStopGracePeriod ? { StopGracePeriod: c.stopGracePeriodNs } : {}),
    ...(c.healthcheck === undefined ? {} : { Healthcheck: healthJson(c.healthcheck) }),
    ...omitEmpty({ Hosts: c.hosts }),
    ...(c.dnsConfig === undefined
      ? {}
      : {
          DNSConfig: omitEmpty({
            Nameservers: c.dnsConfig.nameservers,
            Search: c.dnsConfig.search,
            Options: c.dnsConfig.options,
          }),
        }),
    ...omitEmpty({
      Secrets: c.secrets.map((s) => ({
        ...(s.file === undefined ? {} : { File: fileJson(s.file) }),
        SecretID: s.secretId,
        SecretName: s.secretName,
      })),
      Configs: c.configs.map((r) => ({
        ...(r.file === undefined ? {} : { File: fileJson(r.file) }),
        ...(r.runtime ? { Runtime: {} } : {}),
        ConfigID: r.configId,
        ConfigName: r.configName,
      })),
    }),
    Isolation: c.isolation === '' ? 'default' : c.isolation,
    ...(c.hasInit ? { Init: c.init } : {}),
    ...omitEmpty({
      Sysctls: c.sysctls,
      CapabilityAdd: c.capAdd,
      CapabilityDrop: c.capDrop,
      Ulimits: c.ulimits.map((u) => ({ Name: u.name, Soft: u.soft, Hard: u.hard })),
      OomScoreAdj: c.oomScoreAdj,
    }),
  };
}

function readMount(o: JsonObject): Mount {
  const bind = o.object('BindOptions');
  const volume = o.object('VolumeOptions');
  const driver = volume?.object('DriverConfig');
  const tmpfs = o.object('TmpfsOptions');
  return Mount.create({
    type: o.oneOf('Type', mountTypes, MountType.VOLUME),
    source: o.string('Source'),
    target: o.string('Target'),
    readOnly: o.boolean('ReadOnly'),
    consistency: o.string('Consistency'),
    bindPropagation: bind?.string('Propagation') ?? '',
    bindNonRecursive: bind?.boolean('NonRecursive') ?? false,
    bindReadOnlyNonRecursive: bind?.boolean('ReadOnlyNonRecursive') ?? false,
    bindReadOnlyForceRecursive: bind?.boolean('ReadOnlyForceRecursive') ?? false,
    bindCreateMountpoint: bind?.boolean('CreateMountpoint') ?? false,
    volumeNoCopy: volume?.boolean('NoCopy') ?? false,
    volumeLabels: volume?.map('Labels') ?? {},
    volumeSubpath: volume?.string('Subpath') ?? '',
    volumeDriver: driver?.string('Name') ?? '',
    volumeDriverOptions: driver?.map('Options') ?? {},
    tmpfsSizeBytes: tmpfs?.integer('SizeBytes') ?? 0,
    tmpfsMode: tmpfs?.unsigned('Mode') ?? 0,
    tmpfsOptions: tmpfs === undefined ? [] : readTmpfsWords(tmpfs),
  });
}

export function mountJson(m: Mount): Record<string, unknown> {
  return omitEmpty({
    Type: wordOf(mountTypes, m.type),
    Source: m.source,
    Target: m.target,
    ReadOnly: m.readOnly,
    Consistency: m.consistency,
    BindOptions: omitEmpty({
      Propagation: m.bindPropagation,
      NonRecursive: m.bindNonRecursive,
      ReadOnlyNonRecursive: m.bindReadOnlyNonRecursive,
      ReadOnlyForceRecursive: m.bindReadOnlyForceRecursive,
      CreateMountpoint: m.bindCreateMountpoint,
    }),
    VolumeOptions: omitEmpty({
      NoCopy: m.volumeNoCopy,
      Labels: m.volumeLabels,
      Subpath: m.volumeSubpath,
      DriverConfig: omitEmpty({ Name: m.volumeDriver, Options: m.volumeDriverOptions }),
    }),
    TmpfsOptions: omitEmpty({
      SizeBytes: m.tmpfsSizeBytes,
      Mode: m.tmpfsMode,
      Options: m.tmpfsOptions.map(tmpfsWordJson),
    }),
  });
}

function readHealth(o: JsonObject): HealthConfig {
  return HealthConfig.create({
    test: o.strings('Test'),
    intervalNs: o.integer('Interval'),
    timeoutNs: o.integer('Timeout'),
    retries: o.integer('Retries'),
    startPeriodNs: o.integer('StartPeriod'),
    startIntervalNs: o.integer('StartInterval'),
  });
}

function healthJson(h: HealthConfig): Record<string, unknown> {
  return omitEmpty({
    Test: h.test,
    Interval: h.intervalNs,
    Timeout: h.timeoutNs,
    Retries: h.retries,
    StartPeriod: h.startPeriodNs,
    StartInterval: h.startIntervalNs,
  });
}

function readFile(o: JsonObject | undefined): FileTarget | undefined {
  if (o === undefined) return undefined;
  return FileTarget.create({
    name: o.string('Name'),
    uid: o.string('UID'),
    gid: o.string('GID'),
    mode: o.unsigned('Mode'),
  });
}

function fileJson(f: FileTarget): Record<string, unknown> {
  return { Name: f.name, UID: f.uid, GID: f.gid, Mode: f.mode };
}

function readPrivileges(o: JsonObject): Privileges {
  const seccomp = o.object('Seccomp');
  const selinux = o.object('SELinuxContext');
  const credentials = o.object('CredentialSpec');
  return Privileges.create({
    seccompMode: seccomp?.string('Mode') ?? '',
    seccompProfile: seccomp?.bytes('Profile') ?? new Uint8Array(),
    apparmorMode: o.object('AppArmor')?.string('Mode') ?? '',
    noNewPrivileges: o.boolean('NoNewPrivileges'),
    credentialSpecJson: credentials ? JSON.stringify(texts(credentials, ['Config', 'File', 'Registry'])) : '',
    selinuxJson: selinux
      ? JSON.stringify({ Disable: selinux.boolean('Disable'), ...texts(selinux, ['User', 'Role', 'Type', 'Level']) })
      : '',
  });
}

/** What was left out, or sent as null, is shown as an empty text. */
function texts(o: JsonObject, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, o.string(name)]));
}

function privilegesJson(p: Privileges): Record<string, unknown> {
  const parsed = (text: string): unknown => (text === '' ? null : JSON.parse(text));
  return {
    CredentialSpec: parsed(p.credentialSpecJson),
    SELinuxContext: parsed(p.selinuxJson),
    ...omitEmpty({
      Seccomp: omitEmpty({ Mode: p.seccompMode, Profile: base64(p.seccompProfile) }),
      AppArmor: omitEmpty({ Mode: p.apparmorMode }),
      NoNewPrivileges: p.noNewPrivileges,
    }),
  };
}
