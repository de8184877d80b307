/** `dns`: names of services asked for inside of a container, against dockerd's name server: how many a second, and how late the latest. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp, untilRunning } from '../bed.js';
import { report } from '../measure.js';
import { createIdleService, createNetwork, type Place, placeOf, requirePrograms, runAt } from './containers.js';

const ROUNDS = 5;
const SECONDS = 3;
const GOAL_RATE = 2;
const GOAL_P99 = 1;
const NAMES = ['web A', 'tasks.web A', 'client A', 'web AAAA'];

interface Sample {
  readonly perSecond: number;
  readonly p99Ms: number;
}

export async function dns(): Promise<boolean> {
  requirePrograms('dnsperf');
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: true });
  const dir = mkdtempSync(join(tmpdir(), 'swarmts-bench-'));
  try {
    const questions = join(dir, 'names');
    writeFileSync(questions, `${NAMES.join('\n')}\n`);
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    const ours = await clientOf(bed.lab.socket('m1'));
    const theirs = await clientOf(dockerd.socket);
    const samples = { ours: [] as Sample[], peer: [] as Sample[] };
    for (let round = 0; round < ROUNDS; round++) {
      const sides = [
        { place: ours, into: samples.ours, name: 'swarmts' },
        { place: theirs, into: samples.peer, name: 'dockerd' },
      ];
      for (const side of round % 2 === 0 ? sides : sides.reverse()) {
        const sample = await ask(side.place, questions);
        side.into.push(sample);
        process.stderr.write(
          `dns: round ${round + 1}/${ROUNDS} ${side.name} ${sample.perSecond.toFixed(0)} q/s, p99 ${sample.p99Ms.toFixed(2)} ms\n`,
        );
      }
    }
    const common = { rounds: ROUNDS, peerVersion: bed.peer.version };
    const of = (key: keyof Sample) => [samples.ours.map((s) => s[key]), samples.peer.map((s) => s[key])] as const;
    const [rate, late] = [of('perSecond'), of('p99Ms')];
    const fast = report(
      { ...common, benchmark: 'dns (names a second)', unit: 'q/s', goal: GOAL_RATE, higherIsBetter: true },
      'swarmts',
      rate[0],
      'dockerd',
      rate[1],
    );
    const even = report(
      { ...common, benchmark: 'dns (p99)', unit: 'ms', goal: GOAL_P99 },
      'swarmts',
      late[0],
      'dockerd',
      late[1],
    );
    return fast && even;
  } finally {
    rmSync(dir, { recursive: true, force: true });
    await bed.close();
  }
}

async function clientOf(socket: string): Promise<Place> {
  await createNetwork(socket, 'names');
  await createIdleService(socket, 'web', { network: 'names', mode: 'vip', replicas: 3 });
  await createIdleService(socket, 'client', { network: 'names', mode: 'vip', replicas: 1 });
  await untilRunning(socket, 4);
  return placeOf(socket, 'client', 'names');
}

async function ask(place: Place, questions: string): Promise<Sample> {
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(await dnsperf(place, questions))?.[1]);
  // One after the other: how long an answer takes, and not how long a queue is.
  const verbose = await dnsperf(place, questions, '-q', '1', '-v');
  const times = [...verbose.matchAll(/^> \S+ .* ([\d.]+)$/gm)].map((m) => Number(m[1]) * 1_000);
  const p99Ms = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
  if (!(perSecond > 0) || p99Ms === undefined) throw new Error(`dnsperf printed no figures: ${verbose.slice(-1_000)}`);
  return { perSecond, p99Ms };
}

async function dnsperf(place: Place, questions: string, ...more: readonly string[]): Promise<string> {
  const r = await runAt(place, 'dnsperf', '-s', '127.0.0.11', '-d', questions, '-l', String(SECONDS), ...more);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(r.stdout)?.[1]);
  if (r.code !== 0 || lost > 0) throw new Error(`dnsperf: ${r.stderr.trim()} ${r.stdout.slice(-1_000)}`);
  return r.stdout;
}
