/** Everything that runs on the leader alone, started together and stopped together. */
import type { LogChunk, WeightedManager } from '@swarmts/proto';
import { Allocator } from './allocator/allocator.js';
import { NetworkKeyRenewal } from './allocator/network-key-renewal.js';
import { RootRotator } from './ca/root-rotation.js';
import { Dispatcher } from './dispatcher/dispatcher.js';
import { FeatureLevel } from './feature-level.js';
import type { LeaderComponent, LeaderContext } from './leader-component.js';
import { LogBroker } from './logs/log-broker.js';
import { Autoscaler } from './orchestrator/autoscaler.js';
import { ConstraintEnforcer } from './orchestrator/constraint-enforcer.js';
import { CronOrchestrator } from './orchestrator/cron.js';
import { Rebalancer } from './orchestrator/rebalancer.js';
import { RoleManager } from './orchestrator/role-manager.js';
import { ServiceOrchestrator } from './orchestrator/service-orchestrator.js';
import { TaskReaper } from './orchestrator/task-reaper.js';
import type { RaftGroup } from './raft/raft-group.js';
import { SchedulingLoop } from './scheduling/scheduling-loop.js';
import { VolumeManager } from './volumes/volume-manager.js';
import type { VolumePlugins } from './volumes/volume-plugins.js';

export interface LeaderRuntimeOptions extends LeaderContext {
  readonly raft: RaftGroup;
  readonly nodeId: string;
  readonly managers: () => readonly WeightedManager[];
  readonly volumePlugins: VolumePlugins;
}

export class LeaderRuntime {
  readonly dispatcher: Dispatcher;
  readonly scheduling: SchedulingLoop;
  readonly logs: LogBroker;
  readonly #autoscaler: Autoscaler;
  readonly #components: readonly LeaderComponent[];

  constructor(o: LeaderRuntimeOptions) {
    this.logs = new LogBroker({ store: o.store, request: (nodeId, r) => this.dispatcher.requestLogs(nodeId, r) });
    this.dispatcher = new Dispatcher({
      ...o,
      managerId: o.nodeId,
      onLogs: (nodeId: string, chunk: LogChunk) => this.logs.deliver(nodeId, chunk),
      onNodeReady: (nodeId) => this.logs.nodeReady(nodeId),
      onNodeGone: (nodeId) => this.logs.nodeGone(nodeId),
      onUsage: (usages) => this.#autoscaler.add(usages),
    });
    this.scheduling = new SchedulingLoop(o);
    this.#autoscaler = new Autoscaler(o);
    this.#components = [
      new ServiceOrchestrator(o),
      new Allocator(o),
      new NetworkKeyRenewal(o),
      this.scheduling,
      this.dispatcher,
      new TaskReaper(o),
      new ConstraintEnforcer(o),
      new CronOrchestrator(o),
      this.#autoscaler,
      new Rebalancer(o, () => this.scheduling.nodes),
      new RoleManager(o, o.raft),
      new RootRotator(o),
      new VolumeManager(o, o.volumePlugins),
      new FeatureLevel(o),
    ];
  }

  start(): void {
    for (const c of this.#components) c.start();
  }

  async stop(): Promise<void> {
    this.logs.stop();
    await Promise.all(this.#components.map((c) => c.stop()));
  }
}
