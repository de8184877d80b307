/** `raft-write` and `raft-read`: raft-ts against etcd, the same client, the same requests, in turns. */
import { type Comparison, report } from '../measure.js';
import { drive, reads, type Sample, type Work, writes } from './client.js';
import { type Group, RaftBed } from './groups.js';

const ROUNDS = 5;
const ROUND_MS = 3_000;
const WARM_UP_MS = 2_000;
/** Enough that what is compiled as it runs is compiled before the figures. */
const WARM_UP_CLIENTS = 64;
const VALUE_BYTES = 256;
const CLIENTS = [1, 16, 256];
const GOAL_THROUGHPUT = 0.5;
const GOAL_P99 = 2;

export async function raftWrite(): Promise<boolean> {
  return await measure('raft-write', writes(VALUE_BYTES));
}

export async function raftRead(): Promise<boolean> {
  return await measure('raft-read', reads);
}

async function measure(name: string, work: Work): Promise<boolean> {
  const bed = new RaftBed();
  try {
    const ours = await bed.startOurs();
    const peer = await bed.startEtcd();
    let met = true;
    for (const clients of CLIENTS) {
      for (const group of [ours, peer]) {
        // What is read must be there, and neither side starts cold.
        await once(group, WARM_UP_CLIENTS, WARM_UP_MS, writes(VALUE_BYTES));
        await once(group, clients, WARM_UP_MS, writes(VALUE_BYTES));
        await once(group, clients, WARM_UP_MS, work);
      }
      const samples = await inTurns(`${name}, ${clients} clients`, ours, peer, clients, work);
      met = reportAll(`${name}, ${clients} clients`, samples, bed.etcdVersion) && met;
    }
    return met;
  } finally {
    await bed.stop();
  }
}

async function once(group: Group, clients: number, durationMs: number, work: Work): Promise<Sample> {
  const client = await group.toLeader(clients);
  try {
    return await drive(client, clients, durationMs, work);
  } finally {
    client.close();
  }
}

interface Samples {
  readonly ours: Sample[];
  readonly peer: Sample[];
}

async function inTurns(title: string, ours: Group, peer: Group, clients: number, work: Work): Promise<Samples> {
  const samples: Samples = { ours: [], peer: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const group of round % 2 === 0 ? [ours, peer] : [peer, ours]) {
      const sample = await once(group, clients, ROUND_MS, work);
      (group === ours ? samples.ours : samples.peer).push(sample);
      const { perSecond, p50Ms, p99Ms } = sample;
      const figures = `${perSecond.toFixed(0)}/s p50 ${p50Ms.toFixed(2)} ms p99 ${p99Ms.toFixed(2)} ms`;
      process.stderr.write(`${title}: round ${round + 1}/${ROUNDS} ${group.name} ${figures}\n`);
    }
  }
  return samples;
}

function reportAll(title: string, { ours, peer }: Samples, peerVersion: string): boolean {
  const one = (
    what: string,
    unit: string,
    goal: number,
    higherIsBetter: boolean,
    pick: (sample: Sample) => number,
  ): boolean => {
    const comparison: Omit<Comparison, 'ours' | 'peer'> = {
      benchmark: `${title}: ${what}`,
      unit,
      peerVersion,
      goal,
      higherIsBetter,
      rounds: ROUNDS,
    };
    return report(comparison, 'raft-ts', ours.map(pick), 'etcd', peer.map(pick));
  };
  const isFast = one('throughput', '1/s', GOAL_THROUGHPUT, true, ({ perSecond }) => perSecond);
  const isSteady = one('p99', 'ms', GOAL_P99, false, ({ p99Ms }) => p99Ms);
  return isFast && isSteady;
}
