/** What each running container of this node uses, read from its cgroup when Prometheus asks. */
import type { ContainerEngine, ContainerStats } from '@swarmts/worker';
import { Counter, Gauge, type Registry } from 'prom-client';

const LABELS = ['id', 'name', 'image', 'service', 'task'] as const;
type Labels = Record<(typeof LABELS)[number], string>;

const total = (s: ContainerStats, field: 'rxBytes' | 'txBytes') =>
  Object.values(s.networks).reduce((sum, n) => sum + n[field], 0);

const GAUGES: readonly (readonly [name: string, help: string, read: (s: ContainerStats) => number])[] = [
  ['memory_bytes', 'Memory that a container uses, with its share of the page cache', (s) => s.memory.usage],
  ['memory_limit_bytes', "Memory that a container may use; the machine's where it has no limit", (s) => s.memory.limit],
  ['pids', 'Processes and threads of a container', (s) => s.pids.current],
];

const COUNTERS: readonly (readonly [name: string, help: string, read: (s: ContainerStats) => number])[] = [
  ['cpu_seconds', 'CPU time that a container has used', (s) => s.cpu.totalNs / 1e9],
  ['cpu_throttled_seconds', 'Time that a container had to wait for its CPU limit', (s) => s.cpu.throttledNs / 1e9],
  ['network_receive_bytes', 'Bytes that a container has received', (s) => total(s, 'rxBytes')],
  ['network_transmit_bytes', 'Bytes that a container has sent', (s) => total(s, 'txBytes')],
];

export function registerContainerMetrics(registry: Registry, engine: ContainerEngine): void {
  const options = { labelNames: [...LABELS], registers: [registry] };
  // The first that is printed looks at the cgroups for all of them.
  new Gauge({
    name: 'swarmts_container_count',
    help: 'Running containers of this node',
    registers: [registry],
    collect() {
      this.set(collect());
    },
  });
  const gauges = GAUGES.map(([name, help, read]) => {
    return { metric: new Gauge({ ...options, name: `swarmts_container_${name}`, help }), read };
  });
  const counters = COUNTERS.map(([name, help, read]) => {
    return { metric: new Counter({ ...options, name: `swarmts_container_${name}_total`, help }), read };
  });
  const collect = (): number => {
    let count = 0;
    for (const { metric } of [...gauges, ...counters]) metric.reset();
    for (const { labels, stats } of usages(engine)) {
      count++;
      for (const { metric, read } of gauges) metric.set(labels, read(stats));
      for (const { metric, read } of counters) metric.inc(labels, read(stats));
    }
    return count;
  };
}

function* usages(engine: ContainerEngine): Generator<{ readonly labels: Labels; readonly stats: ContainerStats }> {
  for (const c of engine.list()) {
    const stats = c.state === 'running' ? engine.stats(c.id) : undefined;
    if (!stats) continue;
    const { name, image, labels: own } = c.config;
    const of = (label: string) => own[`com.docker.swarm.${label}`] ?? '';
    const labels = { id: c.id, name, image, service: of('service.name'), task: of('task.name') };
    yield { labels, stats };
  }
}
