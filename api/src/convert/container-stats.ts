/** What a container uses, in Docker's form. */
import type { ContainerStats, NetworkTransfer } from '../container-backend.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import { ZERO_TIME } from '../json/write.js';

/** `before` is the sample to compare with; undefined samples are of a container that does not run. */
export function statsJson(
  container: { readonly id: string; readonly name: string },
  now: ContainerStats | undefined,
  before: ContainerStats | undefined,
  [, minor]: ApiVersion,
): Record<string, unknown> {
  const networks = Object.entries(now?.networks ?? {});
  return {
    read: now ? new Date(now.readAtMs).toISOString() : ZERO_TIME,
    preread: before ? new Date(before.readAtMs).toISOString() : ZERO_TIME,
    pids_stats: now ? { current: now.pids.current, ...(now.pids.limit > 0 ? { limit: now.pids.limit } : {}) } : {},
    blkio_stats: {
      io_service_bytes_recursive: now
        ? now.blocks.map((b) => ({ major: b.major, minor: b.minor, op: b.op, value: b.bytes }))
        : null,
      io_serviced_recursive: null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuJson(now),
    precpu_stats: cpuJson(before),
    memory_stats: now
      ? {
          usage: now.memory.usage,
          ...(now.memory.maxUsage > 0 ? { max_usage: now.memory.maxUsage } : {}),
          stats: now.memory.details,
          ...(now.memory.failures > 0 ? { failcnt: now.memory.failures } : {}),
          limit: now.memory.limit,
        }
      : {},
    ...(minor >= SINCE.leanAnswers ? { os_type: 'linux' } : {}),
    name: `/${container.name}`,
    id: container.id,
    ...(networks.length > 0 ? { networks: Object.fromEntries(networks.map(([k, v]) => [k, networkJson(v)])) } : {}),
  };
}

function cpuJson(s: ContainerStats | undefined): Record<string, unknown> {
  return {
    cpu_usage: {
      total_usage: s?.cpu.totalNs ?? 0,
      ...(s && s.cpu.perCpuNs.length > 0 ? { percpu_usage: s.cpu.perCpuNs } : {}),
      usage_in_kernelmode: s?.cpu.kernelNs ?? 0,
      usage_in_usermode: s?.cpu.userNs ?? 0,
    },
    ...(s ? { system_cpu_usage: s.cpu.systemNs, online_cpus: s.cpu.onlineCpus } : {}),
    throttling_data: {
      periods: s?.cpu.periods ?? 0,
      throttled_periods: s?.cpu.throttledPeriods ?? 0,
      throttled_time: s?.cpu.throttledNs ?? 0,
    },
  };
}

function networkJson(n: NetworkTransfer): Record<string, number> {
  return {
    rx_bytes: n.rxBytes,
    rx_packets: n.rxPackets,
    rx_errors: n.rxErrors,
    rx_dropped: n.rxDropped,
    tx_bytes: n.txBytes,
    tx_packets: n.txPackets,
    tx_errors: n.txErrors,
    tx_dropped: n.txDropped,
  };
}
