/** The cluster as this node sees it, by Swarm's names: nodes, tasks and the rest as managers store them, and who this node is. */
import type { Clock } from '@swarmts/lib';
import type { AnyChange, Manager } from '@swarmts/manager';
import { NodeState, observedState, type Task, TaskState, TaskStateName } from '@swarmts/proto';
import { Histogram, type Registry } from 'prom-client';
import { watchManager } from '../swarm/manager-watch.js';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { gauge, type Labelled } from './gauge.js';

export function registerSwarmMetrics(registry: Registry, node: SwarmNode, clock: Clock): void {
  const manager = () => node.managerIfAny;
  const count = (kind: 'service' | 'network' | 'secret' | 'config') => () => manager()?.store.count(kind) ?? 0;
  const objects = (what: string) => `The number of ${what} in the cluster object store`;
  gauge(registry, 'swarm_node_manager', 'Whether this node is a manager or not', () => (node.isManager ? 1 : 0));
  gauge(
    registry,
    'swarm_node_info',
    'Information related to the swarm',
    () => (node.nodeId === '' ? [] : [[{ swarm_id: clusterOf(node), node_id: node.nodeId }, 1]]),
    ['swarm_id', 'node_id'],
  );
  gauge(registry, 'swarm_manager_leader', 'Indicates if this manager node is a leader', () =>
    manager()?.isLeader ? 1 : 0,
  );
  gauge(registry, 'swarm_manager_services_total', objects('services'), count('service'));
  gauge(registry, 'swarm_manager_networks_total', objects('networks'), count('network'));
  gauge(registry, 'swarm_manager_secrets_total', objects('secrets'), count('secret'));
  gauge(registry, 'swarm_manager_configs_total', objects('configs'), count('config'));
  gauge(registry, 'swarm_manager_nodes', 'The number of nodes', () => nodesByState(manager()), ['state']);
  const tasks = new TaskCounts(registry, node, clock);
  gauge(registry, 'swarm_manager_tasks_total', objects('tasks'), () => tasks.byState, ['state']);
  gauge(
    registry,
    'swarmts_dispatcher_sessions',
    'Agents that are connected to this leader',
    () => manager()?.load?.sessions ?? 0,
  );
  gauge(
    registry,
    'swarmts_scheduler_pending_tasks',
    'Tasks that have no node yet, on the leader',
    () => manager()?.load?.pendingTasks ?? 0,
  );
}

const clusterOf = (node: SwarmNode) => node.credentials?.identity.clusterId ?? '';

function nodesByState(manager: Manager | undefined): Labelled {
  const nodes = manager?.store.view((tx) => tx.list('node')) ?? [];
  return Object.entries(NodeState).map(([name, state]) => [
    { state: name.replace('NODE_', '').toLowerCase() },
    nodes.filter((n) => (n.status?.state ?? NodeState.UNKNOWN) === state).length,
  ]);
}

/** Counted as they change: a million tasks are not to be looked at whenever somebody asks. */
class TaskCounts {
  readonly #counts = new Map<number, number>();
  readonly #delays: Histogram;

  constructor(registry: Registry, node: SwarmNode, clock: Clock) {
    this.#delays = new Histogram({
      name: 'swarm_dispatcher_scheduling_delay_seconds',
      help: 'Scheduling delay is the time a task takes to go from NEW to RUNNING state',
      buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers: [registry],
    });
    let current: Manager | undefined;
    const recount = () => this.#recount(current);
    watchManager(node, {
      begin: (manager) => {
        current = manager;
        recount();
      },
      restored: recount,
      end: () => {
        current = undefined;
        recount();
      },
      change: (c) => {
        if (c.kind !== 'task') return;
        this.#change(c);
        if (current?.isLeader && hasStarted(c))
          this.#delays.observe((clock.now() - (c.object.meta?.createdAtMs ?? clock.now())) / 1000);
      },
    });
  }

  get byState(): Labelled {
    return Object.entries(TaskStateName).map(([state, name]) => [
      { state: name.toLowerCase() },
      this.#counts.get(Number(state)) ?? 0,
    ]);
  }

  #recount(manager: Manager | undefined): void {
    this.#counts.clear();
    for (const t of manager?.store.view((tx) => tx.list('task')) ?? []) this.#add(t, 1);
  }

  #change(c: AnyChange & { readonly kind: 'task' }): void {
    if (c.old) this.#add(c.old, -1);
    if (c.action !== 'remove') this.#add(c.object, 1);
  }

  #add(task: Task, by: number): void {
    const state = observedState(task);
    this.#counts.set(state, (this.#counts.get(state) ?? 0) + by);
  }
}

function hasStarted(c: AnyChange & { readonly kind: 'task' }): boolean {
  if (c.action === 'remove' || observedState(c.object) !== TaskState.RUNNING) return false;
  return c.old !== undefined && observedState(c.old) < TaskState.RUNNING;
}
