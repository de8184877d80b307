/**
 * How many tasks a service should have for what its tasks use: as many as bring the use of what they may use down, or up, to the
 * target. Small differences are let be; changes have to be asked for over a whole window. Pure.
 */
import type { Autoscale, Task } from '@swarmts/proto';
import { clamp } from './replicas.js';

/** A difference of so much (of the target) is no reason to scale. */
const TOLERANCE = 0.1;
/** What was heard longer ago says nothing any more. */
export const STALE_MS = 20_000;

export interface Usage {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

export interface Recommendation {
  readonly replicas: number;
  readonly reason: string;
}

/** Undefined while too little is known. `tasks` are those that run. */
export function recommend(
  autoscale: Autoscale,
  current: number,
  tasks: readonly Task[],
  usageOf: (taskId: string) => Usage | undefined,
): Recommendation | undefined {
  const known = tasks.flatMap((t) => {
    const usage = usageOf(t.id);
    return usage ? [{ task: t, usage }] : [];
  });
  if (known.length === 0) return undefined;
  const measures = [
    measure('cpu', autoscale.cpuPercent, known, (k) => k.usage.cpuMillis / 1000, cpuOf),
    measure('memory', autoscale.memoryPercent, known, (k) => k.usage.memoryBytes, memoryOf),
  ].filter((m) => m !== undefined);
  const worst = measures.sort((a, b) => b.ratio - a.ratio)[0];
  if (!worst) return undefined;
  // Tasks that are not known yet are taken for busy as wanted: neither do they add to the load, nor can they be spared.
  const spread = (worst.ratio * known.length + (tasks.length - known.length)) / Math.max(1, tasks.length);
  const wanted = Math.abs(spread - 1) <= TOLERANCE ? current : Math.ceil(tasks.length * spread - 1e-9);
  return { replicas: clamp(wanted, autoscale), reason: worst.text };
}

interface Known {
  readonly task: Task;
  readonly usage: Usage;
}

function measure(
  name: string,
  target: number | undefined,
  known: readonly Known[],
  used: (k: Known) => number,
  mayUse: (t: Task) => number,
): { readonly ratio: number; readonly text: string } | undefined {
  if (target === undefined) return undefined;
  const capacity = known.reduce((sum, k) => sum + mayUse(k.task), 0);
  if (capacity === 0) return undefined;
  const percent = (known.reduce((sum, k) => sum + used(k), 0) / capacity) * 100;
  return { ratio: percent / target, text: `${name} at ${Math.round(percent)} %, wanted ${target} %` };
}

/** CPUs that a task may use: its limit, else what it reserves, else one. */
function cpuOf(t: Task): number {
  const r = t.spec?.resources;
  return (r?.limits?.nanoCpus || r?.reservations?.nanoCpus || 1e9) / 1e9;
}

/** Bytes that a task may use; 0 = it says nothing of it, and its memory cannot be judged. */
function memoryOf(t: Task): number {
  const r = t.spec?.resources;
  return r?.limits?.memoryBytes || r?.reservations?.memoryBytes || 0;
}

interface Entry extends Recommendation {
  readonly atMs: number;
}

/** More tasks than there are, or fewer, asked for all the time. */
export interface Wish {
  /** The most cautious of the numbers. */
  readonly replicas: number;
  readonly sinceMs: number;
}

/** Recommendations of one service over time: more only when all of the last window ask for more, fewer likewise. */
export class Stabiliser {
  #entries: Entry[] = [];

  /** With a wish that another leader has heard before; `current` is what there was meanwhile. */
  static from(wish: Wish, current: number, nowMs: number): Stabiliser {
    const s = new Stabiliser();
    const { replicas, sinceMs } = wish;
    s.#entries.push({ replicas: current, reason: '', atMs: sinceMs - 1 });
    for (const atMs of [sinceMs, nowMs]) s.#entries.push({ replicas, reason: '', atMs });
    return s;
  }

  /** What to do now. `current` is what there is. */
  decide(r: Recommendation, current: number, autoscale: Autoscale, nowMs: number): Recommendation {
    const last = this.#entries.at(-1);
    // Until a window has passed, the state at its beginning speaks for what was before.
    if (!last || nowMs - last.atMs > STALE_MS) this.#entries = [{ replicas: current, reason: '', atMs: nowMs }];
    this.#entries.push({ ...r, atMs: nowMs });
    const longest = Math.max(autoscale.upWindowMs, autoscale.downWindowMs);
    const firstInside = this.#entries.findIndex((e) => nowMs - e.atMs <= longest);
    this.#entries = this.#entries.slice(Math.max(0, firstInside));
    const within = (windowMs: number) => this.#entries.filter((e) => nowMs - e.atMs <= windowMs).map((e) => e.replicas);
    const up = Math.min(...within(autoscale.upWindowMs));
    const down = Math.max(...within(autoscale.downWindowMs));
    if (up > current) return { replicas: clamp(up, autoscale), reason: r.reason };
    if (down < current) return { replicas: clamp(down, autoscale), reason: r.reason };
    return { replicas: clamp(current, autoscale), reason: r.reason };
  }

  /** What has been asked for without a break up to the last recommendation, if `current` is not what was wanted. */
  wish(current: number): Wish | undefined {
    const newest = this.#entries.at(-1);
    if (!newest || newest.replicas === current) return undefined;
    const isMore = newest.replicas > current;
    const breaks = this.#entries.findLastIndex((e) => (isMore ? e.replicas <= current : e.replicas >= current));
    const run = this.#entries.slice(breaks + 1);
    const numbers = run.map((e) => e.replicas);
    return { replicas: isMore ? Math.min(...numbers) : Math.max(...numbers), sinceMs: run[0]?.atMs ?? newest.atMs };
  }
}
