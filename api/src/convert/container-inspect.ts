/** A container as it is inspected. Of what the engine does not look into, what the client gave when it made the container is shown. */
import { builtinNetworks } from '@swarmts/proto';
import type { ContainerSummary } from '../backend.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import { omitEmpty, timeJson } from '../json/write.js';
import { mountsJson, networksJson, openPorts, portMapJson } from './container.js';
import { containerDirectories } from './graph-driver.js';
import { hostConfigJson } from './host-config.js';

export function containerInspectJson(c: ContainerSummary, version: ApiVersion): Record<string, unknown> {
  const running = c.state === 'running' || c.state === 'paused' || c.state === 'restarting';
  return {
    Id: c.id,
    Created: timeJson(c.createdAtMs),
    Path: c.command[0] ?? '',
    Args: c.command.slice(1),
    State: {
      Status: c.state,
      Running: running,
      Paused: c.state === 'paused',
      Restarting: c.state === 'restarting',
      OOMKilled: c.oomKilled,
      Dead: c.state === 'dead',
      Pid: c.pid,
      ExitCode: c.exitCode,
      Error: c.error,
      StartedAt: timeJson(c.startedAtMs),
      FinishedAt: timeJson(c.finishedAtMs),
      ...(c.health === 'none' ? {} : { Health: healthJson(c) }),
    },
    Image: c.imageId,
    ResolvConfPath: `${c.directory}/resolv.conf`,
    HostnamePath: `${c.directory}/hostname`,
    HostsPath: `${c.directory}/hosts`,
    LogPath: c.logPath,
    Name: `/${c.name}`,
    RestartCount: c.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: c.mountLabel,
    ProcessLabel: c.selinuxLabel,
    AppArmorProfile: c.apparmorProfile,
    ExecIDs: c.execIds.length === 0 ? null : c.execIds,
    HostConfig: hostConfigJson(c),
    GraphDriver: containerDirectories(c.directory, c.layers),
    Mounts: mountsJson(c),
    Config: configJson(c, version),
    NetworkSettings: {
      SandboxID: c.netns === '' ? '' : c.id,
      Ports: portMapJson(openPorts(c)),
      SandboxKey: c.netns,
      ...(version[1] < SINCE.leanAnswers ? bridgeJson(c) : {}),
      Networks: networksJson(c, version),
    },
  };
}

/** Beside the networks Docker told once more of the one that all containers were on once. */
function bridgeJson(c: ContainerSummary): Record<string, unknown> {
  const bridge = c.networks.find((n) => n.id === builtinNetworks.bridge.id);
  return {
    Bridge: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.endpointId ?? '',
    Gateway: bridge?.gateway ?? '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: bridge?.address ?? '',
    IPPrefixLen: bridge?.prefixLength ?? 0,
    IPv6Gateway: '',
    MacAddress: bridge?.mac ?? '',
  };
}

function healthJson({ health, healthCheck }: ContainerSummary): Record<string, unknown> {
  return {
    Status: health,
    FailingStreak: healthCheck?.failingStreak ?? 0,
    Log: (healthCheck?.log ?? []).map((p) => ({
      Start: timeJson(p.startedAtMs),
      End: timeJson(p.endedAtMs),
      ExitCode: p.exitCode,
      Output: p.output,
    })),
  };
}

function configJson(c: ContainerSummary, [, minor]: ApiVersion): Record<string, unknown> {
  const { domainname = '', stdinOnce = false, stopTimeoutSeconds } = c.settings;
  const exposed = Object.fromEntries(c.exposedPorts.map((p) => [`${p.targetPort}/${p.protocol}`, {}]));
  return {
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Volumes: null,
    ...(minor < SINCE.leanAnswers ? { OnBuild: null } : {}),
    ...givenJson(c.given?.config, minor),
    Domainname: domainname,
    StdinOnce: stdinOnce,
    Hostname: c.hostname,
    User: c.user,
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: c.tty,
    OpenStdin: c.openStdin,
    Env: c.env,
    Cmd: orNull(c.cmd),
    Image: c.image,
    WorkingDir: c.workingDir === '/' ? '' : c.workingDir,
    Entrypoint: orNull(c.entrypoint),
    Labels: c.labels,
    ...(c.healthCheck ? { Healthcheck: healthcheckJson(c.healthCheck.config) } : {}),
    ...(c.stopSignal === '' ? {} : { StopSignal: c.stopSignal }),
    ...(stopTimeoutSeconds === undefined ? {} : { StopTimeout: stopTimeoutSeconds }),
  };
}

/** In the end the address of hardware belongs to the endpoint alone. */
function givenJson(config: Readonly<Record<string, unknown>> = {}, minor: number): Readonly<Record<string, unknown>> {
  if (minor < SINCE.leanAnswers) return config;
  const { MacAddress: _mac, OnBuild, ...rest } = config;
  return { ...rest, ...omitEmpty({ OnBuild }) };
}

function healthcheckJson(h: NonNullable<ContainerSummary['healthCheck']>['config']): Record<string, unknown> {
  return {
    Test: h.test,
    ...omitEmpty({
      Interval: h.intervalNs,
      Timeout: h.timeoutNs,
      StartPeriod: h.startPeriodNs,
      StartInterval: h.startIntervalNs,
      Retries: h.retries,
    }),
  };
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
