/** One updater at most per service: starts one when tasks are not what the spec asks for, ends it when the spec changes. */
import { Backoff, type TimerHandle } from '@swarmts/lib';
import { type Service, UpdateState } from '@swarmts/proto';
import type { OrchestratorOptions } from './orchestrator-options.js';
import { dirtySlots, ServiceUpdate } from './service-update.js';
import { isRollingBack, isUpdating } from './update-state.js';

/** After an update whose replacements failed, though it was to go on; it doubles with every one. */
const AFTER_FAILURES_MS = 5_000;
const AFTER_FAILURES_MAX_MS = 60_000;

interface Pause {
  readonly specVersion: number;
  readonly backoff: Backoff;
  /** undefined once it is over. */
  readonly timer: TimerHandle | undefined;
}

export class UpdateSupervisor {
  readonly #o: OrchestratorOptions;
  readonly #running = new Map<string, { readonly update: ServiceUpdate; readonly done: Promise<void> }>();
  /** What the last update of a service has left waiting, by service. */
  readonly #pauses = new Map<string, Pause>();
  #stopped = false;

  constructor(options: OrchestratorOptions) {
    this.#o = options;
  }

  /** Looks whether the service needs a rolling update, and runs it. */
  consider(serviceId: string): void {
    if (this.#stopped) return;
    const service = this.#o.store.get('service', serviceId);
    if (!service) {
      this.forget(serviceId);
      return;
    }
    const specVersion = service.specVersion?.index ?? 0;
    const current = this.#running.get(serviceId);
    if (current) {
      // A rollback that takes back a number of replicas alone is no new version of the tasks, but goes by other settings.
      const isOther = !current.update.rollingBack && isRollingBack(service);
      if (current.update.specVersion === specVersion && !isOther) return;
      current.update.cancel();
      // The next one begins when this one has let go.
      return;
    }
    if (this.#pauses.get(serviceId)?.specVersion !== specVersion) this.#endPause(serviceId);
    if (!wantsUpdate(service) || this.#pauses.get(serviceId)?.timer) return;
    if (this.#o.store.view((tx) => dirtySlots(tx, service)).length === 0 && !isUpdating(service)) return;
    const update = new ServiceUpdate(this.#o, service);
    const done = update.run().then(
      () => this.#ended(serviceId, update),
      (e: unknown) => {
        this.#o.log.error('rolling update failed, it is taken up again', { service: serviceId, error: e });
        this.#running.delete(serviceId);
        if (!this.#stopped) this.#o.clock.after(RETRY_MS, () => this.consider(serviceId));
      },
    );
    this.#running.set(serviceId, { update, done });
  }

  forget(serviceId: string): void {
    this.#endPause(serviceId);
    this.#running.get(serviceId)?.update.cancel();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const id of [...this.#pauses.keys()]) this.#endPause(id);
    const all = [...this.#running.values()];
    for (const r of all) r.update.cancel();
    await Promise.all(all.map((r) => r.done));
  }

  #ended(serviceId: string, update: ServiceUpdate): void {
    this.#running.delete(serviceId);
    if (this.#stopped) return;
    if (update.hasFailures) this.#pause(serviceId, update.specVersion);
    else this.#endPause(serviceId);
    this.consider(serviceId);
  }

  /** Where old tasks stay until new ones run, slots whose new ones failed are to be replaced still: without an end, and at once. */
  #pause(serviceId: string, specVersion: number): void {
    const before = this.#pauses.get(serviceId);
    const limits = { initialMs: AFTER_FAILURES_MS, maxMs: AFTER_FAILURES_MAX_MS, random: this.#o.random };
    const backoff = before?.specVersion === specVersion ? before.backoff : new Backoff(limits);
    before?.timer?.cancel();
    const timer = this.#o.clock.after(backoff.next(), () => {
      this.#pauses.set(serviceId, { specVersion, backoff, timer: undefined });
      this.consider(serviceId);
    });
    this.#pauses.set(serviceId, { specVersion, backoff, timer });
  }

  #endPause(serviceId: string): void {
    this.#pauses.get(serviceId)?.timer?.cancel();
    this.#pauses.delete(serviceId);
  }
}

const RETRY_MS = 1000;

/** A paused update stays as it is until the user changes the service. */
function wantsUpdate(s: Service): boolean {
  const state = s.updateStatus?.state;
  return state !== UpdateState.UPDATE_PAUSED && state !== UpdateState.ROLLBACK_PAUSED;
}
