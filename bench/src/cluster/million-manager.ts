/** The manager of the `million` benchmark: makes the services, and tells how long it took until all tasks had their nodes. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  ContainerSpec,
  NodeDescription,
  NodeRole,
  NodeState,
  NodeStatus,
  observedState,
  ServiceMode,
  ServiceSpec,
  TaskSpec,
  TaskState,
} from '@swarmts/proto';
import { nodeOf, serveOrder, startManager } from './bench-manager.js';
import { type MillionResult, REPLICAS, SERVICES } from './million-bench.js';

serveOrder(async (order): Promise<MillionResult> => {
  const manager = await startManager(order, workerOf);
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const begin = performance.now();
  const assigned = untilAssigned(manager.store, SERVICES * REPLICAS);
  for (let i = 0; i < SERVICES; i++) await manager.call('createService', { spec: serviceOf(i) });
  await assigned;
  return { seconds: (performance.now() - begin) / 1000, longestStallMs: delays.max / 1e6 };
});

function untilAssigned(store: Awaited<ReturnType<typeof startManager>>['store'], count: number): Promise<void> {
  let assigned = 0;
  return new Promise((resolve) => {
    store.watch({
      change: (c) => {
        if (c.kind !== 'task' || observedState(c.object) !== TaskState.ASSIGNED) return;
        if (++assigned === count) resolve();
      },
    });
  });
}

function workerOf(id: string) {
  return {
    ...nodeOf(id, NodeRole.WORKER),
    status: NodeStatus.create({ state: NodeState.NODE_READY, addr: '192.0.2.1' }),
    description: NodeDescription.create({
      hostname: id,
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 64e9, memoryBytes: 256e9, pids: 0, generic: [] },
    }),
  };
}

function serviceOf(i: number): ServiceSpec {
  return ServiceSpec.create({
    annotations: { name: `service${i}`, labels: {} },
    task: TaskSpec.create({
      container: ContainerSpec.create({ image: 'registry.example.com/app:1.2.3', env: ['A=1', 'B=2'] }),
    }),
    mode: ServiceMode.create({ replicated: { replicas: REPLICAS } }),
  });
}
