/** The machine part of the API's backend. */
import { release } from 'node:os';
import { basename } from 'node:path';
import type { DoctorCheck, LimitSupport, SystemBackend, SystemInfo } from '@swarmts/api';
import type { MetricsRegistry } from '@swarmts/lib';
import { CLIENT_ADDRESS_WARNING, keepsClientAddress } from '@swarmts/netplugins';
import type { ContainerEngine } from '@swarmts/worker';
import type { DaemonConfig } from '../config.js';
import { diagnose, escapeWarnings, type MachineFacts } from './machine.js';

export interface SystemBackendOptions {
  readonly config: DaemonConfig;
  readonly engine: ContainerEngine;
  readonly facts: MachineFacts;
  readonly hostname: string;
  readonly id: string;
  readonly version: string;
  readonly metrics: MetricsRegistry;
}

export class DaemonSystemBackend implements SystemBackend {
  readonly #o: SystemBackendOptions;

  constructor(options: SystemBackendOptions) {
    this.#o = options;
  }

  async info(): Promise<SystemInfo> {
    const { config, facts, engine } = this.#o;
    const c = engine.info();
    const defaultRuntime = config.defaultRuntime || basename(c.runtime);
    return {
      id: this.#o.id,
      name: this.#o.hostname,
      version: this.#o.version,
      ...facts,
      dataRoot: config.dataRoot,
      cgroupDriver: 'cgroupfs',
      defaultRuntime,
      runtimes: [...new Set([defaultRuntime, ...Object.keys(config.runtimes)])],
      labels: config.labels,
      insecureRegistries: config.insecureRegistries,
      registryMirrors: config.registryMirrors,
      containers: c.containers,
      running: c.running,
      paused: c.paused,
      stopped: c.stopped,
      images: c.images,
      debug: config.debug,
      limits: c.limits,
      warnings: [
        ...config.warnings,
        ...limitWarnings(c.limits),
        ...escapeWarnings(await engine.runtimeVersion()),
        ...addressWarnings(),
      ].map((w) => `WARNING: ${w}`),
    };
  }

  async doctor(): Promise<readonly DoctorCheck[]> {
    return diagnose(this.#o.engine.info().runtime, await this.#o.engine.runtimeVersion());
  }

  metrics(): string {
    return this.#o.metrics.print();
  }
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
