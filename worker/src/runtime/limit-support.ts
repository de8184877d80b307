/**
 * Which limits the kernel can keep, from its cgroup hierarchies: a controller of its own (v1) that has the file, or one that cgroup v2 lists.
 * cgroup v2 has no swappiness per container and no way to switch the OOM killer off.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MountInfo } from './mountinfo.js';

export interface LimitSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly swappiness: boolean;
  readonly memoryReservation: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuset: boolean;
  readonly blockWeight: boolean;
  readonly blockWeightDevice: boolean;
  /** Bytes and operations per second. */
  readonly blockRates: boolean;
}

export function limitSupport(mounts: readonly MountInfo[]): LimitSupport {
  const unified = unifiedMount(mounts);
  return unified ? unifiedSupport(unified.target) : separateSupport(mounts);
}

export type CgroupVersion = 1 | 2;

/** Of the hierarchy that the limits of containers are kept in. */
export function cgroupVersion(mounts: readonly MountInfo[]): CgroupVersion {
  return unifiedMount(mounts) ? 2 : 1;
}

function unifiedMount(mounts: readonly MountInfo[]): MountInfo | undefined {
  const v1 = mounts.some((m) => m.fstype === 'cgroup' && m.superOptions.includes('memory'));
  return v1 ? undefined : mounts.find((m) => m.fstype === 'cgroup2');
}

function separateSupport(mounts: readonly MountInfo[]): LimitSupport {
  const has = (controller: string, file: string) =>
    mounts.some(
      (m) => m.fstype === 'cgroup' && m.superOptions.includes(controller) && existsSync(join(m.target, file)),
    );
  return {
    memory: has('memory', 'memory.limit_in_bytes'),
    swap: has('memory', 'memory.memsw.limit_in_bytes'),
    swappiness: has('memory', 'memory.swappiness'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    pids: has('pids', 'cgroup.procs'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    // crun does not know the file of the BFQ scheduler, `blkio.bfq.weight`, and fails without this one.
    blockWeight: has('blkio', 'blkio.weight'),
    blockWeightDevice: has('blkio', 'blkio.weight_device'),
    blockRates: has('blkio', 'blkio.throttle.read_bps_device'),
  };
}

function unifiedSupport(root: string): LimitSupport {
  const controllers = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ');
  const has = (controller: string) => controllers.includes(controller);
  const weights = isBelow(root, ['io.weight', 'io.bfq.weight']);
  return {
    memory: has('memory'),
    swap: isBelow(root, ['memory.swap.max']),
    swappiness: false,
    memoryReservation: has('memory'),
    oomKillDisable: false,
    pids: has('pids'),
    cpuShares: has('cpu'),
    cpuQuota: has('cpu'),
    cpuset: has('cpuset'),
    blockWeight: weights,
    blockWeightDevice: weights,
    blockRates: has('io'),
  };
}

/** Whether a group has one of these files: the root group does not have all of them. */
function isBelow(root: string, files: readonly string[]): boolean {
  const groups = readdirSync(root, { withFileTypes: true }).filter((e) => e.isDirectory());
  return groups.some((g) => files.some((f) => existsSync(join(root, g.name, f))));
}
