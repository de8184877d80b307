/** Interleaved rounds of two sides, and what is printed of them: median, range, and the ratio pair by pair. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Side {
  readonly name: string;
  /** One measurement, in the benchmark's unit. */
  measure(): Promise<number>;
}

export interface Comparison {
  readonly benchmark: string;
  readonly unit: string;
  readonly ours: Side;
  readonly peer: Side;
  readonly peerVersion: string;
  /** The ratio ours / peer has to stay at or below this; at or above it if `higherIsBetter`. */
  readonly goal: number;
  readonly higherIsBetter?: boolean;
  readonly rounds: number;
}

export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) => {
    const i = (sorted.length - 1) * q;
    const [low = 0, high = low] = [sorted[Math.floor(i)], sorted[Math.ceil(i)]];
    return low + (high - low) * (i - Math.floor(i));
  };
  return { min: at(0), median: at(0.5), max: at(1) };
}

const RESULTS = fileURLToPath(new URL('../results/results.jsonl', import.meta.url));

/** Runs A B B A A B ... and prints the table; true when the goal is met. */
export async function compare(c: Comparison): Promise<boolean> {
  const [ours, peer] = await alternate(c.ours, c.peer, c.rounds, c);
  return report(c, c.ours.name, ours, c.peer.name, peer);
}

/** Both sides in turns: what each measured, round by round. */
export async function alternate(
  a: Side,
  b: Side,
  rounds: number,
  what: Pick<Comparison, 'benchmark' | 'unit'> = { benchmark: `${a.name}, ${b.name}`, unit: '' },
): Promise<readonly [readonly number[], readonly number[]]> {
  const values: readonly [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const side = i === 0 ? a : b;
      const value = await side.measure();
      values[i].push(value);
      process.stderr.write(
        `${what.benchmark}: round ${round + 1}/${rounds} ${side.name} ${value.toFixed(1)} ${what.unit}\n`,
      );
    }
  }
  return values;
}

/** Prints the table of what was measured, in the order of the rounds, and keeps it; true when the goal is met. */
export function report(
  c: Omit<Comparison, 'ours' | 'peer'>,
  ourName: string,
  ours: readonly number[],
  peerName: string,
  peer: readonly number[],
): boolean {
  const ratios = ours.map((v, i) => v / (peer[i] ?? Number.NaN));
  const [a, b, r] = [summarise(ours), summarise(peer), summarise(ratios)];
  const load = loadavg()[0] ?? 0;
  const row = (name: string, s: Summary, unit: string) =>
    `${name.padEnd(24)}${s.min.toFixed(2).padStart(12)}${s.median.toFixed(2).padStart(12)}${s.max.toFixed(2).padStart(12)}  ${unit}`;
  const met = c.higherIsBetter ? r.median >= c.goal : r.median <= c.goal;
  process.stdout.write(
    [
      `${c.benchmark}: ${c.rounds} rounds, interleaved; load ${load.toFixed(2)}; peer ${c.peerVersion}`,
      `${''.padEnd(24)}${'min'.padStart(12)}${'median'.padStart(12)}${'max'.padStart(12)}`,
      row(ourName, a, c.unit),
      row(peerName, b, c.unit),
      row('ratio', r, `goal ${c.higherIsBetter ? '>=' : '<='} ${c.goal}: ${met ? 'met' : 'NOT MET'}`),
      '',
    ].join('\n'),
  );
  mkdirSync(dirname(RESULTS), { recursive: true });
  appendFileSync(
    RESULTS,
    `${JSON.stringify({ benchmark: c.benchmark, at: new Date().toISOString(), unit: c.unit, ours: a, peer: b, ratio: r, goal: c.goal, rounds: c.rounds, load, peerVersion: c.peerVersion })}\n`,
  );
  return met;
}

/** A figure with a goal of its own, where no peer can be run; true when the median meets it. */
export function reportAbsolute(c: {
  readonly benchmark: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly goal: number;
  readonly higherIsBetter?: boolean;
}): boolean {
  const s = summarise(c.values);
  const met = c.higherIsBetter ? s.median >= c.goal : s.median <= c.goal;
  const load = loadavg()[0] ?? 0;
  const number = (n: number) => n.toFixed(n < 100 ? 2 : 0);
  process.stdout.write(
    `\n${c.benchmark}\n  median ${number(s.median)} ${c.unit} (${number(s.min)} to ${number(s.max)}), goal ${c.higherIsBetter ? '>=' : '<='} ${number(c.goal)}: ${met ? 'met' : 'MISSED'}; load ${load.toFixed(1)}\n`,
  );
  mkdirSync(dirname(RESULTS), { recursive: true });
  appendFileSync(
    RESULTS,
    `${JSON.stringify({ at: new Date().toISOString(), benchmark: c.benchmark, unit: c.unit, ...s, goal: c.goal, met, load })}\n`,
  );
  return met;
}
