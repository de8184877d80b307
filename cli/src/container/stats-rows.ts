/** Samples of what containers use, as `stats` shows them. Pure; the arithmetic is that of Docker's client. */
import type { Row, RowLayout } from '../format/rows.js';
import { binarySize, humanSize } from '../format/size.js';

interface Cpu {
  readonly cpu_usage?: { readonly total_usage?: number; readonly percpu_usage?: readonly number[] };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

export interface Sample {
  readonly id: string;
  readonly name: string;
  readonly cpu_stats?: Cpu;
  readonly precpu_stats?: Cpu;
  readonly memory_stats?: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
  readonly pids_stats?: { readonly current?: number };
}

export const statsLayout: RowLayout = {
  table: '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}',
  headers: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  quiet: '{{.ID}}',
};

export function statsRow(s: Sample, trunc: boolean): Row {
  const id = trunc ? s.id.slice(0, 12) : s.id;
  const name = s.name.replace(/^\//, '');
  const { usage = 0, limit = 0, stats = {} } = s.memory_stats ?? {};
  // What the kernel can take back at any time is nobody's use.
  const used = Math.max(0, usage - (stats.total_inactive_file ?? stats.inactive_file ?? 0));
  const interfaces = Object.values(s.networks ?? {});
  const sum = (of: 'rx_bytes' | 'tx_bytes') => interfaces.reduce((n, i) => n + i[of], 0);
  const blocks = s.blkio_stats?.io_service_bytes_recursive ?? [];
  const moved = (op: string) => blocks.reduce((n, e) => (e.op.toLowerCase() === op ? n + e.value : n), 0);
  return {
    Container: name,
    ID: id,
    Name: name,
    CPUPerc: percent(cpuShare(s)),
    MemUsage: `${binarySize(used)} / ${binarySize(limit)}`,
    MemPerc: percent(limit > 0 ? (used / limit) * 100 : 0),
    NetIO: `${humanSize(sum('rx_bytes'), 3)} / ${humanSize(sum('tx_bytes'), 3)}`,
    BlockIO: `${humanSize(moved('read'), 3)} / ${humanSize(moved('write'), 3)}`,
    PIDs: String(s.pids_stats?.current ?? 0),
  };
}

function cpuShare({ cpu_stats: now, precpu_stats: before }: Sample): number {
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const machine = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const cpus = now?.online_cpus || now?.cpu_usage?.percpu_usage?.length || 1;
  return used > 0 && machine > 0 ? (used / machine) * cpus * 100 : 0;
}

const percent = (n: number) => `${n.toFixed(2)}%`;
