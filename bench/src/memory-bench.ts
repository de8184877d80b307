/** Memory of a node's own processes: of an idle swarm of one, and what each container costs beside its workload. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bed, setUp } from './bed.js';
import { removeAll, startMany } from './burst-bench.js';
import { alternate, compare, report, reportAbsolute } from './measure.js';

const ROUNDS = 3;
const CONTAINERS = 100;
/** What the daemons needed for their start, or for that of containers, alone has been given back by then. */
const UNTIL_IDLE_MS = 30_000;
const PER_CONTAINER_GOAL_MIB = 4;

/** Proportional shares of shared pages. */
export async function footprint(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: true });
  try {
    const [ours, dockerd] = sidesOf(bed);
    await sleep(UNTIL_IDLE_MS);
    const idle = await compare({
      benchmark: 'footprint (idle, PSS of all processes)',
      unit: 'MiB',
      ours: { name: 'swarmtsd + helper', measure: async () => pssOf(ours.pid) },
      peer: { name: 'dockerd + containerd', measure: async () => pssOf(dockerd.pid) },
      peerVersion: bed.peer.version,
      goal: 1,
      rounds: ROUNDS,
    });
    return (await perContainer(bed)) && idle;
  } finally {
    await bed.close();
  }
}

async function perContainer(bed: Bed): Promise<boolean> {
  const what = { benchmark: `footprint (a container of ${CONTAINERS}, beside its workload)`, unit: 'MiB' };
  const [ours, dockerd] = sidesOf(bed);
  const [a, b] = [
    { name: 'swarmts', measure: () => growthMib(ours) },
    { name: 'dockerd', measure: () => growthMib(dockerd) },
  ];
  const [own, theirs] = await alternate(a, b, ROUNDS, what);
  const { version: peerVersion } = bed.peer;
  const isLess = report({ ...what, peerVersion, goal: 1, rounds: ROUNDS }, a.name, own, b.name, theirs);
  return reportAbsolute({ ...what, values: own, goal: PER_CONTAINER_GOAL_MIB }) && isLess;
}

interface MeasuredDaemon {
  readonly socket: string;
  readonly pid: number;
}

function sidesOf({ lab, peer }: Bed): readonly [MeasuredDaemon, MeasuredDaemon] {
  const [own, dockerd] = [lab.nodes[0], peer.daemons[0]];
  if (!dockerd || !own) throw new Error('no daemons');
  return [{ socket: lab.socket(own.name), pid: own.pid }, dockerd];
}

/** By how much the node's own processes grow with each of many containers. */
async function growthMib({ socket, pid }: MeasuredDaemon): Promise<number> {
  const before = pssOf(pid);
  const ids = await startMany(socket, CONTAINERS);
  await sleep(UNTIL_IDLE_MS);
  const after = pssOf(pid);
  await removeAll(socket, ids);
  return (after - before) / CONTAINERS;
}

/** Of all processes in the mount namespace of the daemon, in MiB: its helpers and monitors too, and no container. */
function pssOf(daemon: number): number {
  const home = readlinkSync(`/proc/${daemon}/ns/mnt`);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.reduce((sum, pid) => sum + pssKib(pid, home), 0) / 1024;
}

function pssKib(pid: string, home: string): number {
  try {
    if (readlinkSync(`/proc/${pid}/ns/mnt`) !== home) return 0;
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    // It ended while we looked.
    return 0;
  }
}
