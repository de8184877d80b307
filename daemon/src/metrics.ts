/** What Prometheus is told; names of the swarm metrics are Swarm's. */
import type { MetricsRegistry } from '@swarmts/lib';
import { NodeState, observedState, TaskStateName } from '@swarmts/proto';
import type { ContainerEngine } from '@swarmts/worker';
import type { SwarmNode } from './swarm/swarm-node.js';

export function registerMetrics(metrics: MetricsRegistry, node: SwarmNode, engine: ContainerEngine): void {
  const store = () => node.managerIfAny?.store;
  metrics.gauge('swarm_node_manager', 'Whether this node is a manager or not', () => (node.isManager ? 1 : 0));
  metrics.gauge('swarm_manager_leader', 'Indicates if this manager node is a leader', () =>
    node.managerIfAny?.isLeader ? 1 : 0,
  );
  metrics.gauge(
    'swarm_manager_services_total',
    'The number of services in the cluster object store',
    () => store()?.count('service') ?? 0,
  );
  metrics.gauge(
    'swarm_manager_networks_total',
    'The number of networks in the cluster object store',
    () => store()?.count('network') ?? 0,
  );
  metrics.gauge(
    'swarm_manager_secrets_total',
    'The number of secrets in the cluster object store',
    () => store()?.count('secret') ?? 0,
  );
  metrics.gauge(
    'swarm_manager_configs_total',
    'The number of configs in the cluster object store',
    () => store()?.count('config') ?? 0,
  );
  metrics.gauge('swarm_manager_nodes', 'The number of nodes', () => {
    const nodes = store()?.view((tx) => tx.list('node')) ?? [];
    return Object.entries(NodeState).map(([name, state]) => ({
      labels: { state: name.replace('NODE_', '').toLowerCase() },
      value: nodes.filter((n) => (n.status?.state ?? NodeState.UNKNOWN) === state).length,
    }));
  });
  metrics.gauge('swarm_manager_tasks_total', 'The number of tasks in the cluster object store', () => {
    const counts = new Map<number, number>();
    for (const t of store()?.view((tx) => tx.list('task')) ?? [])
      counts.set(observedState(t), (counts.get(observedState(t)) ?? 0) + 1);
    return Object.entries(TaskStateName).map(([state, name]) => ({
      labels: { state: name.toLowerCase() },
      value: counts.get(Number(state)) ?? 0,
    }));
  });
  metrics.gauge('swarmts_engine_containers', 'Containers of this node by state', () => {
    const { running, paused, stopped } = engine.info();
    return [
      { labels: { state: 'running' }, value: running },
      { labels: { state: 'paused' }, value: paused },
      { labels: { state: 'stopped' }, value: stopped },
    ];
  });
  metrics.gauge('process_resident_memory_bytes', 'Resident memory of the daemon', () => process.memoryUsage.rss());
}
