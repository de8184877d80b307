/** A container's record as the engine's callers see it. Pure. */
import { basename, dirname, isAbsolute } from 'node:path';
import { logAttributes } from '../logs/log-attributes.js';
import { tagOf } from '../logs/syslog-format.js';
import { systemPaths } from '../runtime/oci-config.js';
import { type LabelSupport, mountLabel, securityLabels } from '../runtime/security-labels.js';
import type { ContainerInfo, ContainerMount } from './container-api.js';
import type { ContainerLink } from './container-config.js';
import type { ContainerRecord, ResolvedMount } from './container-record.js';
import { type HealthState, healthAfterExit } from './health-state.js';
import { joinedNetworks, wishedNetworks } from './joined-networks.js';
import { DEFAULT_STOP_SIGNAL } from './merge-config.js';

export interface Circumstances {
  readonly logPath: string;
  readonly netns: string;
  readonly health: HealthState | undefined;
  /** By the names of now. */
  readonly links: readonly ContainerLink[];
  /** Directories of the image's layers, topmost first. */
  readonly layers: readonly string[];
  readonly labels: LabelSupport;
  /** The program that runs those that name no runtime. */
  readonly runtimeProgram: string;
}

export function describeContainer(record: ContainerRecord, now: Circumstances): ContainerInfo {
  const { network, exit, process, healthCheck } = record;
  const { logPath, netns, links, layers, labels, runtimeProgram } = now;
  const health =
    now.health ?? (healthCheck && exit && record.startCount > 0 ? healthAfterExit(record.health) : undefined);
  return {
    id: record.id,
    config: record.config,
    imageId: record.imageId,
    state: record.state,
    pid: process?.init.pid ?? 0,
    createdAtMs: record.createdAtMs,
    startedAtMs: record.startedAtMs,
    ...(exit ? { exit } : {}),
    oomKilled: exit?.oomKilled ?? record.oomTold ?? false,
    health: health?.status ?? 'none',
    ...(healthCheck ? { healthConfig: healthCheck.config } : {}),
    ...(health ? { healthLog: health.log, healthFailingStreak: health.failingStreak } : {}),
    runtime: record.config.runtime || basename(runtimeProgram),
    directory: dirname(dirname(logPath)),
    layers,
    ...securityLabels(record.config, labels),
    mountLabel: mountLabel(record.config, labels),
    logAttributes: logAttributesOf(record),
    ...(network ? { network: networkOf(network), netns } : {}),
    networks: network ? joinedNetworks(record.id, network) : wishedNetworks(record.config),
    ports: network?.ports ?? record.config.ports,
    exposedPorts: record.exposedPorts ?? [],
    ...systemPaths(record.config),
    links,
    entrypoint: record.entrypoint,
    cmd: record.cmd,
    env: record.env,
    logPath: record.config.log?.driver === 'none' || !isAbsolute(logPath) ? '' : logPath,
    restartCount: record.restartCount ?? 0,
    mounts: record.mounts.filter((m) => m.tmpfsOptions === undefined || m.isListed).map(describeMount),
    stopSignal: record.stopSignal === DEFAULT_STOP_SIGNAL ? '' : record.stopSignal,
    user: record.user,
    workingDir: record.workingDir,
    hostname: record.hostname,
  };
}

/** Docker counts those of --tmpfs as settings alone. */
function describeMount({ type, source, target, readOnly, mode, propagation }: ResolvedMount): ContainerMount {
  return {
    type,
    source: type === 'tmpfs' ? '' : source,
    target,
    readOnly,
    ...(mode === undefined ? {} : { mode }),
    ...(propagation === undefined ? {} : { propagation }),
  };
}

/** Docker keeps them in the log of this driver alone. */
function logAttributesOf({ id, config, env }: ContainerRecord): Readonly<Record<string, string>> {
  const { name, image, labels, log } = config;
  const options = log?.options ?? {};
  if (log?.driver !== 'json-file' || Object.keys(options).length === 0) return {};
  const attributes = logAttributes({ labels, env, options });
  const tag: [string, string][] = options.tag ? [['tag', tagOf({ id, name, image, options })]] : [];
  return Object.fromEntries([...attributes, ...tag]);
}

function networkOf(n: NonNullable<ContainerRecord['network']>): NonNullable<ContainerInfo['network']> {
  return { address: n.address, prefixLength: n.prefixLength, gateway: n.gateway, mac: n.mac };
}
