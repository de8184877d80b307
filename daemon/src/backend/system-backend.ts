/** The machine part of the API's backend. */
import type { DoctorCheck, SystemBackend, SystemInfo } from '@swarmts/api';
import type { MetricsRegistry } from '@swarmts/lib';
import type { ContainerEngine } from '@swarmts/worker';
import type { DaemonConfig } from '../config.js';
import { diagnose, type MachineFacts } from './machine.js';

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
    return {
      id: this.#o.id,
      name: this.#o.hostname,
      version: this.#o.version,
      ...facts,
      dataRoot: config.dataRoot,
      cgroupDriver: 'cgroupfs',
      defaultRuntime: config.defaultRuntime,
      runtimes: [...new Set(['runc', 'crun', config.defaultRuntime, ...Object.keys(config.runtimes)])],
      labels: config.labels,
      insecureRegistries: config.insecureRegistries,
      registryMirrors: config.registryMirrors,
      containers: c.containers,
      running: c.running,
      paused: c.paused,
      stopped: c.stopped,
      images: c.images,
      debug: config.debug,
      warnings: config.warnings.map((w) => `WARNING: ${w}`),
    };
  }

  async doctor(): Promise<readonly DoctorCheck[]> {
    return diagnose(this.#o.config.runtimes[this.#o.config.defaultRuntime] ?? this.#o.config.defaultRuntime);
  }

  metrics(): string {
    return this.#o.metrics.print();
  }
}
