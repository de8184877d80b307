/**
 * The loop that keeps every service's tasks as its spec asks: marks services dirty on events, decides with
 * `reconcileService`, writes the steps in batches, and hands changed specs to the updater.
 */
import { ControlLoop, type TimerHandle, type Watch } from '@swarmts/lib';
import { extensionProblem, type Node, type Service } from '@swarmts/proto';
import type { AnyChange } from '../store/tables.js';
import { applyStep } from './apply-step.js';
import type { Step } from './decision.js';
import { eachService } from './each-service.js';
import { isGlobal, isJob } from './job.js';
import type { OrchestratorOptions } from './orchestrator-options.js';
import { reconcileJob } from './reconcile-job.js';
import { reconcileService, removalSteps } from './reconcile-service.js';
import { UpdateSupervisor } from './update-supervisor.js';

const DEBOUNCE_MS = 5;
const MAX_DELAY_MS = 100;

export class ServiceOrchestrator {
  readonly #o: OrchestratorOptions;
  readonly #loop: ControlLoop;
  readonly #updates: UpdateSupervisor;
  readonly #dirty = new Set<string>();
  readonly #timers = new Map<string, TimerHandle>();
  #watch: Watch | undefined;

  constructor(options: OrchestratorOptions) {
    this.#o = options;
    this.#updates = new UpdateSupervisor(options);
    this.#loop = new ControlLoop({
      ...options,
      name: 'services',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#o.store.watch({ change: (c) => this.#onChange(c), restored: () => this.#markAll() });
    this.#markAll();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    for (const t of this.#timers.values()) t.cancel();
    await Promise.all([this.#loop.stop(), this.#updates.stop()]);
  }

  #markAll(): void {
    this.#o.store.view((tx) => {
      for (const s of tx.list('service')) {
        this.#dirty.add(s.id);
        this.#warnOfLabels(s);
      }
      for (const t of tx.list('task')) this.#dirty.add(t.serviceId);
    });
    this.#loop.mark();
  }

  #onChange(c: AnyChange): void {
    if (c.kind === 'service') {
      this.#dirty.add(c.object.id);
      if (c.action !== 'remove' && c.object.spec !== c.old?.spec) this.#warnOfLabels(c.object);
    } else if (c.kind === 'task') this.#dirty.add(c.object.serviceId);
    else if (c.kind === 'node') {
      if (c.action === 'update' && sameForServices(c.object, c.old)) return;
      this.#o.store.view((tx) => {
        for (const t of tx.by('task', 'node', c.object.id)) this.#dirty.add(t.serviceId);
        for (const s of tx.list('service')) if (isGlobal(s.spec)) this.#dirty.add(s.id);
      });
    } else return;
    this.#loop.mark();
  }

  /** They were let in by a manager of another release, or one that knows other time zones. */
  #warnOfLabels(s: Service): void {
    const problem = extensionProblem(s.spec?.annotations?.labels ?? {});
    if (problem === undefined) return;
    this.#o.log.warn('labels of a service have no effect while this manager leads: it does not understand them', {
      service: s.id,
      name: s.spec?.annotations?.name,
      problem,
    });
  }

  async #work(): Promise<void> {
    const ids = [...this.#dirty];
    this.#dirty.clear();
    const steps: Step[] = [];
    const changed: Service[] = [];
    const begin = this.#o.clock.monotonic();
    this.#o.store.view((tx) => {
      const nodes = new Map(tx.list('node').map((n) => [n.id, n]));
      const nowMs = this.#o.clock.now();
      for (const id of ids) {
        if (id === '') continue;
        const service = tx.get('service', id);
        const tasks = tx.by('task', 'service', id);
        if (!service) {
          for (const step of removalSteps(tasks)) steps.push(step);
          this.#updates.forget(id);
          continue;
        }
        try {
          const view = { service, tasks, nodes, nowMs };
          const decision = isJob(service) ? reconcileJob(view) : reconcileService(view);
          for (const step of decision.steps) steps.push(step);
          this.#lookAgain(id, decision.lookAgainAtMs, nowMs);
          if (!isJob(service)) changed.push(service);
        } catch (e) {
          this.#o.log.error('service is quarantined: reconciling it failed', { service: id, error: e });
        }
      }
    });
    // A service with a hundred thousand tasks is looked at as a whole.
    this.#loop.giveWay(this.#o.clock.monotonic() - begin);
    try {
      await this.#o.store.batch(
        steps,
        (tx, step) => applyStep(tx, step),
        (step, e) => this.#o.log.warn('step of a service was refused', { step: step.type, error: e }),
      );
    } catch (e) {
      for (const id of ids) this.#dirty.add(id);
      throw e;
    }
    eachService(changed, this.#o.log, (s) => {
      this.#updates.consider(s.id);
      return [];
    });
  }

  #lookAgain(serviceId: string, atMs: number, nowMs: number): void {
    this.#timers.get(serviceId)?.cancel();
    this.#timers.delete(serviceId);
    if (atMs === 0) return;
    const timer = this.#o.clock.after(atMs - nowMs, () => {
      this.#timers.delete(serviceId);
      this.#dirty.add(serviceId);
      this.#loop.mark();
    });
    this.#timers.set(serviceId, timer);
  }
}

function sameForServices(a: Node, b: Node | undefined): boolean {
  return b !== undefined && a.status?.state === b.status?.state && a.spec === b.spec;
}
