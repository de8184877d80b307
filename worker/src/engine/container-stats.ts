/** What a container uses right now, from its cgroup (v1 hierarchies, or v2) and its network namespace. Small reads that touch no disk. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { MountInfo } from '../runtime/mountinfo.js';
import type { BlockTransfer, ContainerStats, NetworkTransfer } from './container-api.js';

const NS_PER_TICK = 1e7;
const UNLIMITED = 2 ** 53;

/** Finds the directory of a controller; undefined where there is none. */
export type FindCgroup = (controller: string) => string | undefined;

/** `path` is the container's in every hierarchy. */
export function cgroupFinder(mounts: readonly MountInfo[], path: string): FindCgroup {
  return (controller) => {
    const v1 = mounts.find((m) => m.fstype === 'cgroup' && m.superOptions.includes(controller));
    return v1 && join(v1.target, path);
  };
}

/** The v2 directory; undefined where the controllers are in v1 hierarchies. */
export function unifiedCgroup(mounts: readonly MountInfo[], path: string): string | undefined {
  if (mounts.some((m) => m.fstype === 'cgroup' && m.superOptions.includes('memory'))) return undefined;
  const v2 = mounts.find((m) => m.fstype === 'cgroup2');
  return v2 && join(v2.target, path);
}

export interface StatsSource {
  readonly mounts: readonly MountInfo[];
  readonly cgroupsPath: string;
  readonly pid: number;
  readonly machineMemoryBytes: number;
  readonly nowMs: number;
}

export function readStats(source: StatsSource): ContainerStats {
  const unified = unifiedCgroup(source.mounts, source.cgroupsPath);
  const used = unified === undefined ? readV1(cgroupFinder(source.mounts, source.cgroupsPath)) : readV2(unified);
  const limit = Math.min(used.memory.limit || UNLIMITED, source.machineMemoryBytes);
  return {
    readAtMs: source.nowMs,
    ...used,
    cpu: { ...used.cpu, ...machineCpu() },
    memory: { ...used.memory, limit },
    networks: readNetworks(source.pid),
  };
}

type Used = Pick<ContainerStats, 'memory' | 'pids' | 'blocks'> & {
  readonly cpu: Omit<ContainerStats['cpu'], 'systemNs' | 'onlineCpus'>;
};

function readV1(find: FindCgroup): Used {
  const text = (controller: string, name: string) => readOrEmpty(find(controller), name);
  const cpuStat = fieldsOf(text('cpu', 'cpu.stat'));
  const ticks = fieldsOf(text('cpuacct', 'cpuacct.stat'));
  const stat = fieldsOf(text('memory', 'memory.stat'));
  return {
    cpu: {
      totalNs: Number(text('cpuacct', 'cpuacct.usage') || 0),
      perCpuNs: text('cpuacct', 'cpuacct.usage_percpu').trim().split(/\s+/).filter(Boolean).map(Number),
      userNs: (ticks.user ?? 0) * NS_PER_TICK,
      kernelNs: (ticks.system ?? 0) * NS_PER_TICK,
      periods: cpuStat.nr_periods ?? 0,
      throttledPeriods: cpuStat.nr_throttled ?? 0,
      throttledNs: cpuStat.throttled_time ?? 0,
    },
    memory: {
      usage: numberOf(text('memory', 'memory.usage_in_bytes')),
      maxUsage: numberOf(text('memory', 'memory.max_usage_in_bytes')),
      limit: numberOf(text('memory', 'memory.limit_in_bytes')),
      failures: numberOf(text('memory', 'memory.failcnt')),
      details: stat,
    },
    pids: { current: numberOf(text('pids', 'pids.current')), limit: numberOf(text('pids', 'pids.max')) },
    blocks: blocksV1(text('blkio', 'blkio.throttle.io_service_bytes_recursive')),
  };
}

function readV2(directory: string): Used {
  const text = (name: string) => readOrEmpty(directory, name);
  const cpuStat = fieldsOf(text('cpu.stat'));
  return {
    cpu: {
      totalNs: (cpuStat.usage_usec ?? 0) * 1000,
      perCpuNs: [],
      userNs: (cpuStat.user_usec ?? 0) * 1000,
      kernelNs: (cpuStat.system_usec ?? 0) * 1000,
      periods: cpuStat.nr_periods ?? 0,
      throttledPeriods: cpuStat.nr_throttled ?? 0,
      throttledNs: (cpuStat.throttled_usec ?? 0) * 1000,
    },
    memory: {
      usage: numberOf(text('memory.current')),
      maxUsage: numberOf(text('memory.peak')),
      limit: numberOf(text('memory.max')),
      // Docker's choice: how often the OOM killer was about to be called.
      failures: fieldsOf(text('memory.events')).oom ?? 0,
      details: fieldsOf(text('memory.stat')),
    },
    pids: { current: numberOf(text('pids.current')), limit: numberOf(text('pids.max')) },
    blocks: blocksV2(text('io.stat')),
  };
}

/** "8:0 Read 4096" */
function blocksV1(text: string): BlockTransfer[] {
  return text.split('\n').flatMap((line) => {
    const m = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    return m ? [{ major: Number(m[1]), minor: Number(m[2]), op: (m[3] ?? '').toLowerCase(), bytes: Number(m[4]) }] : [];
  });
}

/** "8:0 rbytes=4096 wbytes=0 ..." */
function blocksV2(text: string): BlockTransfer[] {
  return text.split('\n').flatMap((line) => {
    const m = /^(\d+):(\d+) /.exec(line);
    if (!m) return [];
    const bytes = (name: string) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1] ?? 0);
    const device = { major: Number(m[1]), minor: Number(m[2]) };
    return [
      { ...device, op: 'read', bytes: bytes('rbytes') },
      { ...device, op: 'write', bytes: bytes('wbytes') },
    ];
  });
}

/** The machine's CPU time, which shares are computed against. */
function machineCpu(): { systemNs: number; onlineCpus: number } {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n');
  // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user's already.
  const ticks = (lines[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const onlineCpus = lines.filter((l) => /^cpu\d/.test(l)).length;
  return { systemNs: ticks.reduce((a, b) => a + b, 0) * NS_PER_TICK, onlineCpus };
}

/** As seen by the container; none when it shares the host's network, whose numbers say nothing about it. */
function readNetworks(pid: number): Record<string, NetworkTransfer> {
  const networks: Record<string, NetworkTransfer> = {};
  if (pid === 0 || sharesNetwork(pid)) return networks;
  for (const line of readOrEmpty(`/proc/${pid}/net`, 'dev').split('\n')) {
    const [name = '', numbers = ''] = line.split(':');
    const n = numbers.trim().split(/\s+/).map(Number);
    if (numbers === '' || name.trim() === 'lo') continue;
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0, , , , , txBytes = 0, txPackets = 0] = n;
    const [txErrors = 0, txDropped = 0] = n.slice(10);
    networks[name.trim()] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return networks;
}

function sharesNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net');
  } catch {
    return true;
  }
}

/** Undefined where the kernel does not say. */
export function isFrozen(mounts: readonly MountInfo[], cgroupsPath: string): boolean | undefined {
  const freezer = cgroupFinder(mounts, cgroupsPath)('freezer');
  const text =
    freezer === undefined
      ? readOrEmpty(unifiedCgroup(mounts, cgroupsPath), 'cgroup.freeze')
      : readOrEmpty(freezer, 'freezer.state');
  return text === '' ? undefined : /^(1|FROZEN|FREEZING)/.test(text);
}

/** Pids of everything in the container, also in cgroups that it has made below its own. */
export function pidsIn(mounts: readonly MountInfo[], cgroupsPath: string): number[] {
  const directory =
    unifiedCgroup(mounts, cgroupsPath) ??
    ['pids', 'memory', 'freezer'].map(cgroupFinder(mounts, cgroupsPath)).find((d) => d !== undefined);
  return directory === undefined ? [] : pidsBelow(directory);
}

function pidsBelow(directory: string): number[] {
  const own = readOrEmpty(directory, 'cgroup.procs').split('\n').filter(Boolean).map(Number);
  try {
    const below = readdirSync(directory, { withFileTypes: true }).filter((e) => e.isDirectory());
    return [...own, ...below.flatMap((e) => pidsBelow(join(directory, e.name)))];
  } catch {
    return own;
  }
}

function fieldsOf(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [key = '', value = ''] = line.split(' ');
      return value === '' ? [] : [[key, Number(value)]];
    }),
  );
}

/** "max" and what v1 says instead are no limit. */
function numberOf(text: string): number {
  const n = Number(text.trim() || 0);
  return Number.isFinite(n) && n < UNLIMITED ? n : 0;
}

function readOrEmpty(directory: string | undefined, name: string): string {
  if (directory === undefined) return '';
  try {
    return readFileSync(join(directory, name), 'utf8');
  } catch {
    // This controller is not there, or the container has just ended.
    return '';
  }
}
