/**
 * Evens out services that ask for it (`swarmts.rebalance=auto`): when nodes have come or come back, tasks are moved, at the pace
 * and in the order of the service's updates. A service that is being updated, or does not run whole, is left alone.
 */
import type { TimerHandle } from '@swarmts/lib';
import { extensionsOf, isWanted, observedState, type Service, type Task, TaskState } from '@swarmts/proto';
import { type NodeInfo, planMoves } from '@swarmts/scheduler';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import type { ReadTx } from '../store/transaction.js';
import { eachService } from './each-service.js';
import { replicasOf } from './replicas.js';
import { isUpdating } from './update-state.js';
import { isPinned } from './volume-pins.js';

const PERIOD_MS = 15_000;

/** The tasks to move; [] while the service is not at rest. */
export function movesOf(tx: ReadTx, service: Service, nodes: readonly NodeInfo[]): readonly Task[] {
  if (!service.spec?.mode?.replicated || isPinned(service.spec)) return [];
  if (isUpdating(service)) return [];
  const wanted = tx.by('task', 'service', service.id).filter(isWanted);
  const running = wanted.filter((t) => observedState(t) === TaskState.RUNNING);
  if (running.length !== wanted.length || running.length !== replicasOf(service)) return [];
  const moving = new Set(planMoves(running, nodes).map((m) => m.taskId));
  return running.filter((t) => moving.has(t.id));
}

const isAsked = (s: Service) => extensionsOf(s.spec?.annotations?.labels ?? {}).rebalance;

export class Rebalancer implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #nodes: () => readonly NodeInfo[];
  #timer: TimerHandle | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: LeaderContext, nodes: () => readonly NodeInfo[]) {
    this.#c = context;
    this.#nodes = nodes;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#c.clock.after(PERIOD_MS, () => {
      this.#running = this.#work()
        .catch((error: unknown) => this.#c.log.error('services could not be evened out', { error }))
        .finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #work(): Promise<void> {
    const movesIn = (tx: ReadTx, s: Service) => (isAsked(s) ? movesOf(tx, s, this.#nodes()).map((t) => t.id) : []);
    const due = this.#c.store.view((tx) =>
      eachService(tx.list('service'), this.#c.log, (s) => (movesIn(tx, s).length > 0 ? [s] : [])),
    );
    await this.#c.store.batch(
      due,
      (tx, { id }) => {
        const service = tx.get('service', id);
        // An update may have begun meanwhile.
        const movingTaskIds = service ? movesIn(tx, service) : [];
        if (service && movingTaskIds.length > 0) tx.update('service', { ...service, movingTaskIds });
      },
      (s, error) => this.#c.log.warn('service was not evened out', { service: s.id, error }),
    );
  }
}
