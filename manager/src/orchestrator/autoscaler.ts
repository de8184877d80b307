/**
 * Scales services by what their tasks use. Usage comes from the agents and lives in memory; decisions are written with their reason, so
 * that everybody can see why there are as many tasks as there are.
 */
import type { TimerHandle } from '@swarmts/lib';
import {
  AutoscaleStatus,
  AutoscaleStep,
  isWanted,
  observedState,
  type Service,
  TaskState,
  type TaskUsage,
} from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { recommend, Stabiliser, type Usage } from './autoscale.js';
import { autoscaleOf, replicasOf } from './replicas.js';

const PERIOD_MS = 5_000;
/** What was heard longer ago says nothing any more. */
const STALE_MS = 20_000;
const STEPS_KEPT = 20;

interface Heard extends Usage {
  readonly atMs: number;
}

interface Decision {
  readonly serviceId: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
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
      return services.flatMap((s) => {
        const running = tx
          .by('task', 'service', s.id)
          .filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING);
        return this.#decide(s, running, nowMs);
      });
    });
    await this.#c.store.batch(
      decisions,
      (tx, d) => {
        const service = tx.get('service', d.serviceId);
        if (!service || replicasOf(service) !== d.from) return;
        const step = AutoscaleStep.create({
          atMs: this.#c.clock.now(),
          fromReplicas: d.from,
          toReplicas: d.to,
          reason: d.reason,
        });
        const steps = [...(service.autoscaleStatus?.steps ?? []), step].slice(-STEPS_KEPT);
        tx.update('service', { ...service, autoscaleStatus: AutoscaleStatus.create({ replicas: d.to, steps }) });
      },
      (d, error) => this.#c.log.warn('service was not scaled', { service: d.serviceId, error }),
    );
    for (const d of decisions) this.#c.log.info('service is scaled by its use', { ...d });
  }

  #decide(service: Service, running: Parameters<typeof recommend>[2], nowMs: number): readonly Decision[] {
    const autoscale = autoscaleOf(service);
    const current = replicasOf(service);
    if (!autoscale || current === 0) return [];
    const recommendation = recommend(autoscale, current, running, (id) => this.#usage.get(id));
    if (!recommendation) return [];
    const stabiliser = this.#stabilisers.get(service.id) ?? new Stabiliser();
    this.#stabilisers.set(service.id, stabiliser);
    const { replicas, reason } = stabiliser.decide(recommendation, current, autoscale, nowMs);
    return replicas === current ? [] : [{ serviceId: service.id, from: current, to: replicas, reason }];
  }
}
