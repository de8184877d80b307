/**
 * Scales services by what their tasks use. Usage comes from the agents and lives in memory; decisions are written with their reason, so
 * that everybody can see why there are as many tasks as there are, and wishes, so that a window goes on with the next leader.
 */
import type { TimerHandle } from '@swarmts/lib';
import {
  AutoscaleStatus,
  AutoscaleStep,
  AutoscaleWish,
  isWanted,
  observedState,
  type Service,
  TaskState,
  type TaskUsage,
} from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import type { WriteTx } from '../store/transaction.js';
import { recommend, STALE_MS, Stabiliser, type Usage } from './autoscale.js';
import { eachService } from './each-service.js';
import { autoscaleOf, replicasOf } from './replicas.js';

const PERIOD_MS = 5_000;
const STEPS_KEPT = 20;
/** A wish that goes on is noted so often, for the next leader, */
const NOTE_WISH_MS = 30_000;
/** which takes it for gone when it was not heard for longer: an election, and the first reports of the agents, lie in between. */
const WISH_ENDS_MS = 90_000;

interface Heard extends Usage {
  readonly atMs: number;
}

interface Decision {
  readonly serviceId: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly wish: AutoscaleWish | undefined;
}

export class Autoscaler implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #usage = new Map<string, Heard>();
  readonly #stabilisers = new Map<string, Stabiliser>();
  #timer: TimerHandle | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: LeaderContext) {
    this.#c = context;
  }

  start(): void {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** What an agent says of its tasks. */
  add(usages: readonly TaskUsage[]): void {
    const atMs = this.#c.clock.monotonic();
    for (const u of usages) this.#usage.set(u.taskId, { cpuMillis: u.cpuMillis, memoryBytes: u.memoryBytes, atMs });
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#c.clock.after(PERIOD_MS, () => {
      this.#running = this.#work()
        .catch((error: unknown) => this.#c.log.error('services could not be scaled', { error }))
        .finally(() => this.#schedule());
    });
  }

  async #work(): Promise<void> {
    const nowMs = this.#c.clock.monotonic();
    for (const [id, u] of this.#usage) if (nowMs - u.atMs > STALE_MS) this.#usage.delete(id);
    const decisions = this.#c.store.view((tx) => {
      const services = tx.list('service').filter((s) => autoscaleOf(s));
      const known = new Set(services.map((s) => s.id));
      for (const id of this.#stabilisers.keys()) if (!known.has(id)) this.#stabilisers.delete(id);
      return eachService(services, this.#c.log, (s) => {
        const running = tx
          .by('task', 'service', s.id)
          .filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING);
        return this.#decide(s, running, nowMs);
      });
    });
    await this.#c.store.batch(
      decisions,
      (tx, d) => this.#write(tx, d),
      (d, error) => this.#c.log.warn('service was not scaled', { service: d.serviceId, error }),
    );
    for (const { wish: _, ...d } of decisions)
      if (d.from !== d.to) this.#c.log.info('service is scaled by its use', { ...d });
  }

  #write(tx: WriteTx, { serviceId, from, to, reason, wish }: Decision): void {
    const service = tx.get('service', serviceId);
    if (!service || replicasOf(service) !== from) return;
    const steps = [...(service.autoscaleStatus?.steps ?? [])];
    if (from !== to)
      steps.push(AutoscaleStep.create({ atMs: this.#c.clock.now(), fromReplicas: from, toReplicas: to, reason }));
    const autoscaleStatus = AutoscaleStatus.create({ replicas: to, steps: steps.slice(-STEPS_KEPT), wish });
    tx.update('service', { ...service, autoscaleStatus });
  }

  #decide(service: Service, running: Parameters<typeof recommend>[2], nowMs: number): readonly Decision[] {
    const autoscale = autoscaleOf(service);
    const current = replicasOf(service);
    if (!autoscale || current === 0) return [];
    const recommendation = recommend(autoscale, current, running, (id) => this.#usage.get(id));
    if (!recommendation) return [];
    const stabiliser = this.#stabilisers.get(service.id) ?? this.#stabiliserOf(service, current, nowMs);
    this.#stabilisers.set(service.id, stabiliser);
    const { replicas: to, reason } = stabiliser.decide(recommendation, current, autoscale, nowMs);
    const wish = this.#wishOf(stabiliser, to, nowMs);
    const isNew = to !== current || isNews(service.autoscaleStatus?.wish, wish);
    return isNew ? [{ serviceId: service.id, from: current, to, reason, wish }] : [];
  }

  /** Times of the store are those of the wall, those of windows count from the start of this machine. */
  #wishOf(stabiliser: Stabiliser, current: number, nowMs: number): AutoscaleWish | undefined {
    const wish = stabiliser.wish(current);
    const heardMs = this.#c.clock.now();
    return (
      wish &&
      AutoscaleWish.create({
        ...{ replicas: wish.replicas, fromReplicas: current, heardMs },
        sinceMs: heardMs - (nowMs - wish.sinceMs),
      })
    );
  }

  #stabiliserOf({ autoscaleStatus }: Service, current: number, nowMs: number): Stabiliser {
    const wish = autoscaleStatus?.wish;
    const wallMs = this.#c.clock.now();
    if (!wish || wish.fromReplicas !== current || wallMs - wish.heardMs > WISH_ENDS_MS) return new Stabiliser();
    const ageMs = Math.max(0, wallMs - wish.sinceMs);
    return Stabiliser.from({ replicas: wish.replicas, sinceMs: nowMs - ageMs }, current, nowMs);
  }
}

function isNews(noted: AutoscaleWish | undefined, now: AutoscaleWish | undefined): boolean {
  if (!noted || !now) return noted !== now;
  if (noted.replicas !== now.replicas || noted.fromReplicas !== now.fromReplicas) return true;
  return now.heardMs - noted.heardMs >= NOTE_WISH_MS;
}
