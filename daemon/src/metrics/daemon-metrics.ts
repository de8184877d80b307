/**
 * What Prometheus is told. Names and labels are Swarm's and dockerd's where they have such a metric; ours begin with `swarmts_`.
 * Gauges are read when they are asked for, so that nothing is kept up for nobody.
 */
import type { Clock } from '@swarmts/lib';
import type { ContainerEngine } from '@swarmts/worker';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { ApiMetrics } from './api-metrics.js';
import { registerContainerMetrics } from './container-metrics.js';
import { type EngineFacts, registerEngineMetrics } from './engine-metrics.js';
import { RaftLatencies, registerRaftMetrics } from './raft-metrics.js';
import { registerSwarmMetrics } from './swarm-metrics.js';

export class DaemonMetrics {
  readonly registry = new Registry();
  readonly api = new ApiMetrics(this.registry);
  readonly timings = new RaftLatencies(this.registry);

  /** For a registry of a daemon: once. */
  register(node: SwarmNode, engine: ContainerEngine, facts: EngineFacts, clock: Clock): void {
    registerSwarmMetrics(this.registry, node, clock);
    registerRaftMetrics(this.registry, node);
    registerEngineMetrics(this.registry, engine, facts);
    registerContainerMetrics(this.registry, engine);
    collectDefaultMetrics({ register: this.registry });
  }

  /** Prometheus text. */
  print(): Promise<string> {
    return this.registry.metrics();
  }
}
