import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@swarmts/lib';
import { Store } from '@swarmts/manager';
import { Node, NodeState, NodeStatus, Task, TaskState, TaskStatus } from '@swarmts/proto';
import type { ContainerEngine } from '@swarmts/worker';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { DaemonMetrics } from './daemon-metrics.js';

const DASHBOARD = fileURLToPath(new URL('../../../docs/grafana-dashboard.json', import.meta.url));

const FACTS = {
  id: 'engine1',
  version: '1.0',
  architecture: 'x86_64',
  kernelVersion: '6.1',
  operatingSystem: 'Debian',
  cpus: 4,
  memoryBytes: 1024,
};

/** What the metrics look at: a manager with a store, and an engine with one running container. */
class Bed {
  readonly metrics = new DaemonMetrics();
  readonly store: Store;
  #index = 0;
  #changed = () => {};
  #tellEvent: (e: object) => void = () => {};
  isManager = true;

  constructor() {
    const store = new Store({
      now: Date.now,
      proposer: { propose: async (data) => store.applyEntry(++this.#index, data) },
    });
    this.store = store;
    const raft = {
      metrics: { proposals: 3, queuedProposals: 1, waitingProposals: 1 },
      status: { term: 7 },
      leader: {},
    };
    const manager = { store, raft, isLeader: true, load: { sessions: 2, pendingTasks: 5 } };
    const bed = this;
    const node = {
      nodeId: 'node1',
      credentials: { identity: { clusterId: 'cluster1' } },
      get isManager() {
        return bed.isManager;
      },
      get managerIfAny() {
        return bed.isManager ? manager : undefined;
      },
      onChange: (listener: () => void) => {
        const before = this.#changed;
        this.#changed = () => {
          before();
          listener();
        };
      },
    };
    // Only what the metrics read is there.
    this.metrics.register(
      node as unknown as SwarmNode,
      this.#engine() as unknown as ContainerEngine,
      FACTS,
      systemClock,
    );
  }

  #engine() {
    const config = { name: 'web.1.x', image: 'whoami', labels: { 'com.docker.swarm.service.name': 'web' } };
    return {
      info: () => ({ running: 1, paused: 0, stopped: 2, images: 3 }),
      list: () => [{ id: 'c1', state: 'running', config }],
      stats: () => ({
        cpu: { totalNs: 2e9, throttledNs: 5e8 },
        memory: { usage: 4096, limit: 8192 },
        pids: { current: 3 },
        networks: { eth0: { rxBytes: 10, txBytes: 20 }, eth1: { rxBytes: 1, txBytes: 2 } },
      }),
      onEvent: (listener: (e: object) => void) => {
        this.#tellEvent = listener;
      },
    };
  }

  demote(): void {
    this.isManager = false;
    this.#changed();
  }

  event(action: string): void {
    this.#tellEvent({ type: 'container', action, id: 'c1', attributes: {}, timeMs: 0 });
  }

  async value(series: string): Promise<number | undefined> {
    const line = (await this.metrics.print()).split('\n').find((l) => l.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
}

const task = (state: TaskState) => Task.create({ id: 'task1', status: TaskStatus.create({ state }) });

describe('metrics of the daemon', () => {
  let bed: Bed;
  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.metrics.registry.clear());

  it("have Swarm's names for what managers store, and follow it", async () => {
    const status = NodeStatus.create({ state: NodeState.NODE_READY });
    await bed.store.update((tx) => {
      tx.create('node', Node.create({ id: 'n1', status }));
      tx.create('task', task(TaskState.NEW));
    });
    assert.equal(await bed.value('swarm_manager_nodes{state="ready"}'), 1);
    assert.equal(await bed.value('swarm_manager_tasks_total{state="new"}'), 1);
    assert.equal(await bed.value('swarm_manager_leader'), 1);
    assert.equal(await bed.value('swarm_node_info{swarm_id="cluster1",node_id="node1"}'), 1);
    await bed.store.update((tx) =>
      tx.update('task', { ...task(TaskState.RUNNING), meta: tx.get('task', 'task1')?.meta }),
    );
    assert.equal(await bed.value('swarm_manager_tasks_total{state="new"}'), 0);
    assert.equal(await bed.value('swarm_manager_tasks_total{state="running"}'), 1);
    assert.equal(await bed.value('swarm_dispatcher_scheduling_delay_seconds_count'), 1);
    await bed.store.update((tx) => tx.remove('task', 'task1'));
    assert.equal(await bed.value('swarm_manager_tasks_total{state="running"}'), 0);
  });

  it('say nothing of the cluster on a node that is no manager any more', async () => {
    await bed.store.update((tx) => tx.create('task', task(TaskState.RUNNING)));
    bed.demote();
    assert.equal(await bed.value('swarm_manager_tasks_total{state="running"}'), 0);
    assert.equal(await bed.value('swarm_node_manager'), 0);
    assert.equal(await bed.value('swarmts_raft_term'), 0);
  });

  it('count Raft, requests, events and what containers use', async () => {
    bed.metrics.timings.transaction(0.01);
    bed.metrics.timings.snapshot(0.5);
    bed.metrics.api.observe('GET /images/{name:*}/json', 404, 0.002);
    bed.metrics.api.observe('POST /containers/{id}/start', 204, 0.2);
    bed.event('start');
    bed.event('health_status: unhealthy');
    const labels = '{id="c1",name="web.1.x",image="whoami",service="web",task=""}';
    for (const [series, value] of [
      ['swarm_raft_transaction_latency_seconds_count', 1],
      ['swarm_raft_snapshot_latency_seconds_sum', 0.5],
      ['swarmts_raft_proposals_total', 3],
      ['swarmts_raft_waiting_proposals', 2],
      ['swarmts_scheduler_pending_tasks', 5],
      ['swarmts_dispatcher_sessions', 2],
      ['swarmts_api_request_duration_seconds_count{method="GET",route="/images/{name}/json",code="404"}', 1],
      ['engine_daemon_container_actions_seconds_count{action="start"}', 1],
      ['engine_daemon_container_states_containers{state="stopped"}', 2],
      ['engine_daemon_events_total', 2],
      ['swarmts_container_health_failures_total', 1],
      ['swarmts_container_count', 1],
      [`swarmts_container_memory_bytes${labels}`, 4096],
      [`swarmts_container_cpu_seconds_total${labels}`, 2],
      [`swarmts_container_network_transmit_bytes_total${labels}`, 22],
    ] as const) {
      assert.equal(await bed.value(series), value, series);
    }
    assert.equal(await bed.value(`swarmts_container_cpu_seconds_total${labels}`), 2, 'reading does not add up');
  });

  it('are all that the dashboard asks for', async () => {
    bed.metrics.api.observe('GET /info', 200, 0.1);
    const exported = new Set((await bed.metrics.print()).match(/^[a-z_0-9]+/gm));
    const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
      readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
    };
    const asked = panels.flatMap(({ title, targets = [] }) =>
      targets.flatMap((t) =>
        [...t.expr.matchAll(/\b(?:swarm|swarmts|engine|process|nodejs)_\w+/g)].map(([name]) => ({ title, name })),
      ),
    );
    assert.ok(asked.length > 30);
    for (const { title, name } of asked) assert.ok(exported.has(name), `${title} asks for ${name}`);
  });
});
