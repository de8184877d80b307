/** One updater at most per service: starts one when tasks are not what the spec asks for, ends it when the spec changes. */
import { type Service, UpdateState } from '@swarmts/proto';
import type { OrchestratorOptions } from './orchestrator-options.js';
import { dirtySlots, ServiceUpdate } from './service-update.js';

export class UpdateSupervisor {
  readonly #o: OrchestratorOptions;
  readonly #running = new Map<string, { readonly update: ServiceUpdate; readonly done: Promise<void> }>();
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
    const current = this.#running.get(serviceId);
    if (current) {
      if (current.update.specVersion === (service.specVersion?.index ?? 0)) return;
      current.update.cancel();
      // The next one begins when this one has let go.
      return;
    }
    if (!wantsUpdate(service)) return;
    if (this.#o.store.view((tx) => dirtySlots(tx, service)).length === 0 && !isUnderWay(service)) return;
    const update = new ServiceUpdate(this.#o, service);
    const done = update.run().then(
      () => this.#ended(serviceId),
      (e: unknown) => {
        this.#o.log.error('rolling update failed, it is taken up again', { service: serviceId, error: e });
        this.#running.delete(serviceId);
        if (!this.#stopped) this.#o.clock.after(RETRY_MS, () => this.consider(serviceId));
      },
    );
    this.#running.set(serviceId, { update, done });
  }

  forget(serviceId: string): void {
    this.#running.get(serviceId)?.update.cancel();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const all = [...this.#running.values()];
    for (const r of all) r.update.cancel();
    await Promise.all(all.map((r) => r.done));
  }

  #ended(serviceId: string): void {
    this.#running.delete(serviceId);
    this.consider(serviceId);
  }
}

const RETRY_MS = 1000;

/** A paused update stays as it is until the user changes the service. */
function wantsUpdate(s: Service): boolean {
  const state = s.updateStatus?.state;
  return state !== UpdateState.UPDATE_PAUSED && state !== UpdateState.ROLLBACK_PAUSED;
}

function isUnderWay(s: Service): boolean {
  const state = s.updateStatus?.state;
  return state === UpdateState.UPDATING || state === UpdateState.ROLLBACK_STARTED;
}
