/** `swarmts update`: other limits and another restart policy. */
import { optional, optionalInt, optionalText } from '../../args/flag.js';
import { parseBytes, parseCpus, parseSwapBytes } from '../../args/quantity.js';
import { containerCommand } from '../../container/act.js';
import { parseRestart } from '../../container/run-values.js';

const bytes = (help: string, o: { readonly short?: string } = {}) => optional('bytes', help, parseBytes, o);

export const command = containerCommand(
  {
    'blkio-weight': optionalInt('Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)'),
    'cpu-period': optionalInt('Limit CPU CFS (Completely Fair Scheduler) period'),
    'cpu-quota': optionalInt('Limit CPU CFS (Completely Fair Scheduler) quota'),
    'cpu-shares': optionalInt('CPU shares (relative weight)', { short: 'c' }),
    cpus: optional('decimal', 'Number of CPUs', parseCpus),
    'cpuset-cpus': optionalText('CPUs in which to allow execution (0-3, 0,1)'),
    'cpuset-mems': optionalText('MEMs in which to allow execution (0-3, 0,1)'),
    memory: bytes('Memory limit', { short: 'm' }),
    'memory-reservation': bytes('Memory soft limit'),
    'memory-swap': optional(
      'bytes',
      'Swap limit equal to memory plus swap: -1 to enable unlimited swap',
      parseSwapBytes,
    ),
    'pids-limit': optionalInt('Tune container pids limit (set -1 for unlimited)'),
    restart: optional('string', 'Restart policy to apply when a container exits', parseRestart),
  },
  async (ctx, path, f) => {
    const { Warnings } = await ctx.api.post<{ readonly Warnings?: readonly string[] | null }>(`${path}/update`, {
      BlkioWeight: f['blkio-weight'],
      CpuPeriod: f['cpu-period'],
      CpuQuota: f['cpu-quota'],
      CpuShares: f['cpu-shares'],
      NanoCpus: f.cpus,
      CpusetCpus: f['cpuset-cpus'],
      CpusetMems: f['cpuset-mems'],
      Memory: f.memory,
      MemoryReservation: f['memory-reservation'],
      MemorySwap: f['memory-swap'],
      PidsLimit: f['pids-limit'],
      RestartPolicy: f.restart,
    });
    for (const w of Warnings ?? []) ctx.err.write(`WARNING: ${w}\n`);
  },
);
