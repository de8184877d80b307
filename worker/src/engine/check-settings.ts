/** What is refused before anything of a container is made, in Docker's words. Pure, except for what it is told of the machine. */
import { SwarmtsError } from '@swarmts/lib';
import { checkLogOptions } from '../logs/log-options.js';
import type { ContainerConfig, ContainerResources } from './container-config.js';

export const MIN_MEMORY_BYTES = 6 << 20;
const MAX_HOSTNAME_LENGTH = 64;
const ULIMITS: readonly string[] = [
  ...['as', 'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss'],
  ...['rtprio', 'rttime', 'sigpending', 'stack'],
];

export interface MachineLimits {
  readonly cpus: number;
  /** As the kernel writes them, "0-3". */
  readonly cpuList: string;
  readonly memoryNodes: string;
}

export function checkSettings(config: ContainerConfig, machine: MachineLimits): void {
  const { hostname = '', shmSizeBytes = 0, autoRemove = false, restart, health } = config;
  if (hostname.length > MAX_HOSTNAME_LENGTH) {
    refuse(`hostname ${JSON.stringify(hostname)} is too long (maximum ${MAX_HOSTNAME_LENGTH} bytes)`);
  }
  if (shmSizeBytes < 0) refuse('SHM size can not be less than 0');
  if (autoRemove && restart && restart.name !== 'no') refuse("can't create 'AutoRemove' container with restart policy");
  for (const e of config.env) if (e === '' || e.startsWith('=')) refuse(`invalid environment variable: ${e}`);
  for (const d of config.deviceRules ?? []) {
    if (!/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(d)) refuse(`invalid device cgroup rule format: '${d}'`);
  }
  if (config.log) checkLogOptions(config.log.driver, config.log.options ?? {});
  if (health) checkHealth(health);
  checkResources(config.resources, machine);
}

const MINIMUM_NS = 1e6;

function checkHealth(h: NonNullable<ContainerConfig['health']>): void {
  const durations = {
    Interval: h.intervalNs,
    Timeout: h.timeoutNs,
    StartPeriod: h.startPeriodNs,
    StartInterval: h.startIntervalNs,
  };
  for (const [name, ns] of Object.entries(durations)) {
    if (ns !== 0 && ns < MINIMUM_NS) refuse(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if (h.retries < 0) refuse('Retries in Healthcheck cannot be negative');
}

export function checkResources(r: ContainerResources, machine: MachineLimits): void {
  checkMemory(r);
  checkCpu(r, machine);
  const weight = r.blkioWeight ?? 0;
  if (weight !== 0 && (weight < 10 || weight > 1000)) refuse('Range of blkio weight is from 10 to 1000');
  const score = r.oomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) refuse(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  for (const u of r.ulimits ?? []) {
    if (!ULIMITS.includes(u.name)) refuse(`invalid ulimit type: ${u.name}`);
    if (u.hard !== -1 && (u.soft > u.hard || u.soft === -1)) {
      refuse(`ulimit soft limit must be less than or equal to hard limit: ${u.soft} > ${u.hard}`);
    }
  }
}

function checkMemory(r: ContainerResources): void {
  const { memoryBytes, memoryReservationBytes: reserved, memorySwapBytes: swap = 0 } = r;
  if (memoryBytes !== 0 && memoryBytes < MIN_MEMORY_BYTES) refuse('Minimum memory limit allowed is 6MB');
  if (memoryBytes > 0 && swap > 0 && swap < memoryBytes) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memoryBytes === 0 && swap > 0) {
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  const { memorySwappiness: swappiness } = r;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100)) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (reserved !== 0 && reserved < MIN_MEMORY_BYTES) refuse('Minimum memory reservation allowed is 6MB');
  if (memoryBytes > 0 && reserved > memoryBytes) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function checkCpu(r: ContainerResources, machine: MachineLimits): void {
  const { nanoCpus, cpuPeriodUs: period = 0, cpuQuotaUs: quota = 0 } = r;
  const conflict = (what: string) => refuse(`Conflicting options: Nano CPUs and CPU ${what} cannot both be set`);
  if (nanoCpus > 0 && period > 0) conflict('Period');
  if (nanoCpus > 0 && quota > 0) conflict('Quota');
  if (nanoCpus < 0 || nanoCpus > machine.cpus * 1e9) {
    const { cpus } = machine;
    refuse(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  checkSet(r.cpusetCpus ?? '', machine.cpuList, 'cpus', 'CPUs');
  checkSet(r.cpusetMems ?? '', machine.memoryNodes, 'mems', 'memory nodes');
}

function checkSet(text: string, available: string, name: string, what: string): void {
  if (text === '') return;
  const wanted = parseSet(text);
  if (!wanted) refuse(`Invalid value ${text} for cpuset ${name}: invalid format: ${text}`);
  const there = parseSet(available) ?? new Set();
  if ([...(wanted ?? [])].some((n) => !there.has(n))) {
    refuse(`Requested ${what} are not available - requested ${text}, available: ${available}`);
  }
}

/** More would be a way to make us busy; the kernel has fewer. */
const MAX_SET_NUMBER = 8192;

/** "0-3,7" -> numbers; undefined when it is no such list. */
export function parseSet(text: string): ReadonlySet<number> | undefined {
  const out = new Set<number>();
  for (const part of text.split(',')) {
    const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const [first, last] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
    if (!m || last < first || last > MAX_SET_NUMBER) return undefined;
    for (let n = first; n <= last; n++) out.add(n);
  }
  return out;
}

function refuse(message: string): void {
  throw new SwarmtsError('invalid-argument', message);
}
