/** The machine part of the API's backend. */
import { readdirSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { basename } from 'node:path';
import type { DoctorCheck, HealthCheckResult, LimitSupport, SystemBackend, SystemInfo } from '@swarmts/api';
import { NO_LEADER } from '@swarmts/manager';
import { CLIENT_ADDRESS_WARNING, type HiddenListeners, keepsClientAddress } from '@swarmts/netplugins';
import { CDI_DIRECTORIES, type ContainerEngine, cdiDevices, withoutPassword } from '@swarmts/worker';
import type { DaemonConfig } from '../config/config.js';
import { reloadedSettings } from '../config/reload.js';
import type { DaemonMetrics } from '../metrics/daemon-metrics.js';
import type { SwarmNode } from '../swarm/swarm-node.js';
import {
  appArmorWarnings,
  diagnose,
  escapeWarnings,
  filesystemName,
  type MachineFacts,
  publishedPortsCheck,
} from './machine.js';

export interface SystemBackendOptions {
  readonly config: DaemonConfig;
  readonly engine: ContainerEngine;
  readonly facts: MachineFacts;
  readonly hostname: string;
  readonly id: string;
  readonly version: string;
  readonly metrics: DaemonMetrics;
  readonly node: SwarmNode;
  readonly hidden: Pick<HiddenListeners, 'list'>;
}

export class DaemonSystemBackend implements SystemBackend {
  readonly #o: SystemBackendOptions;
  readonly #listeners = new Set<Parameters<SystemBackend['onEvent']>[0]>();

  constructor(options: SystemBackendOptions) {
    this.#o = options;
  }

  onEvent(listener: Parameters<SystemBackend['onEvent']>[0]): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The configuration has been read again. */
  reloaded(timeMs: number): void {
    const { id, hostname, config } = this.#o;
    const attributes = { name: hostname, ...reloadedSettings(config) };
    for (const listener of this.#listeners) listener({ type: 'daemon', action: 'reload', id, attributes, timeMs });
  }

  async info(): Promise<SystemInfo> {
    const { config, facts, engine } = this.#o;
    const c = engine.info();
    const cdi = cdiDevices();
    const defaultRuntime = config.defaultRuntime || basename(c.runtime);
    return {
      id: this.#o.id,
      name: this.#o.hostname,
      version: this.#o.version,
      ...facts,
      dataRoot: config.dataRoot,
      backingFilesystem: filesystemName(statfsSync(config.dataRoot).type),
      cgroupDriver: 'cgroupfs',
      defaultRuntime,
      cdiDirectories: CDI_DIRECTORIES,
      cdiDevices: cdi.devices,
      runtimes: [...new Set([defaultRuntime, ...c.runtimes])],
      labels: config.labels,
      insecureRegistries: config.insecureRegistries,
      registryMirrors: config.registryMirrors,
      containers: c.containers,
      running: c.running,
      paused: c.paused,
      stopped: c.stopped,
      images: c.images,
      debug: config.debug,
      openFiles: readdirSync('/proc/self/fd').length,
      limits: c.limits,
      securityModules: (['apparmor', 'selinux'] as const).filter((name) => c.labels[name]),
      mapsIds: c.mapsIds,
      isolatesCgroups: c.cgroupnsMode === 'private',
      logDriver: config.containers.log.driver,
      genericResources: config.genericResources,
      seccompProfile: seccompName(config.containers.seccompProfile),
      noNewPrivileges: config.containers.noNewPrivileges ?? false,
      proxies: proxies(),
      warnings: [
        ...config.warnings,
        ...limitWarnings(c.limits),
        ...escapeWarnings(await engine.runtimeVersion()),
        ...appArmorWarnings(c.labels),
        ...addressWarnings(),
        ...cdi.warnings,
      ].map((w) => `WARNING: ${w}`),
    };
  }

  async doctor(): Promise<readonly DoctorCheck[]> {
    const { runtime, labels } = this.#o.engine.info();
    const hidden = await this.#o.hidden.list();
    return [...diagnose(runtime, await this.#o.engine.runtimeVersion(), labels), publishedPortsCheck(hidden)];
  }

  metrics(): Promise<string> {
    return this.#o.metrics.print();
  }

  async readiness(): Promise<readonly HealthCheckResult[]> {
    return readinessOf(this.#o.node);
  }
}

/** A node without a swarm is ready for containers; one in a swarm needs its managers. Pure but for the look at the node. */
export function readinessOf(
  node: Pick<SwarmNode, 'state' | 'locked' | 'error' | 'connected' | 'managerIfAny'>,
): readonly HealthCheckResult[] {
  const check = (name: string, ok: boolean, why: string) => ({ name, ok, detail: ok ? '' : why });
  if (!node.state) return [];
  const { managerIfAny: manager } = node;
  return [
    check('unlocked', !node.locked, 'this manager is locked: `swarmts swarm unlock`'),
    check('member', node.error === '', node.error),
    check('agent', node.connected, 'the agent of this node is not connected to a manager'),
    ...(manager ? [check('leader', manager.raft.leader !== undefined, NO_LEADER)] : []),
  ];
}

function proxies(): SystemInfo['proxies'] {
  const of = (name: string) => withoutPassword(process.env[name] || process.env[name.toLowerCase()] || '');
  return { http: of('HTTP_PROXY'), https: of('HTTPS_PROXY'), none: of('NO_PROXY') };
}

function seccompName(profile: string | undefined): string {
  if (profile === undefined) return 'builtin';
  return profile === 'unconfined' ? profile : 'custom';
}

function limitWarnings(limits: LimitSupport): readonly string[] {
  const missing: readonly (readonly [boolean, string])[] = [
    [limits.memory, 'memory limit'],
    [limits.swap, 'swap limit'],
    [limits.cpuQuota, 'cpu cfs quota'],
    [limits.cpuQuota, 'cpu cfs period'],
    [limits.cpuShares, 'cpu shares'],
    [limits.cpuset, 'cpuset'],
  ];
  return missing.flatMap(([supported, what]) => (supported ? [] : [`No ${what} support`]));
}

function addressWarnings(): readonly string[] {
  return keepsClientAddress(release()) ? [] : [CLIENT_ADDRESS_WARNING];
}
