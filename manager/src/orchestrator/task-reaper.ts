/**
 * Deletes tasks that nobody needs: those that were asked to leave and have ended, and old ended tasks beyond the
 * history limit of their seat. Tasks that count for a restart limit are kept.
 */
import { type Clock, ControlLoop, type Logger, type Random, type Watch } from '@swarmts/lib';
import {
  type Cluster,
  defaults,
  isWanted,
  observedState,
  RestartCondition,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import type { Store } from '../store/store.js';
import { isOfIteration } from './job.js';
import { groupBySeat, jobSlotOf, seatOf } from './slots.js';

const DEBOUNCE_MS = 250;
const MAX_DELAY_MS = 1000;

export interface ReaperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onStuck: (e: unknown) => void;
}

/** Ids of the tasks of one service that may go. Pure. */
export function tasksToDelete(
  tasks: readonly Task[],
  service: Service | undefined,
  historyLimit: number,
): readonly string[] {
  const leaving = tasks.filter((t) => t.desiredState === TaskState.REMOVE && hasEndedOrNeverBegan(t));
  if (historyLimit < 0) return leaving.map((t) => t.id);
  const keep = Math.max(historyLimit, restartHistory(service));
  const stale: Task[] = [];
  for (const slot of groupBySeat(tasks, service?.spec?.mode?.replicatedJob ? jobSlotOf : seatOf).values()) {
    const ended = slot
      .filter((t) => isHistory(t, service) && hasEndedOrNeverBegan(t))
      .sort((a, b) => (b.meta?.createdAtMs ?? 0) - (a.meta?.createdAtMs ?? 0));
    const live = slot.length - ended.length;
    stale.push(...ended.slice(Math.max(0, keep - live)));
  }
  return [...new Set([...leaving, ...stale].map((t) => t.id))];
}

/** What a job has completed in its current iteration is its result, not history. */
function isHistory(t: Task, service: Service | undefined): boolean {
  if (t.desiredState >= TaskState.REMOVE) return false;
  return !isWanted(t) || (t.desiredState === TaskState.COMPLETE && service !== undefined && !isOfIteration(service, t));
}

function hasEndedOrNeverBegan(t: Task): boolean {
  const s = observedState(t);
  return s < TaskState.ASSIGNED || s >= TaskState.COMPLETE;
}

/** What tells whether the next one is to be made: without it a task that is to run once would run again. */
function restartHistory(service: Service | undefined): number {
  const { maxAttempts: max = 0, condition = RestartCondition.ANY } = service?.spec?.task?.restart ?? {};
  if (max > 0) return max + 1;
  return condition === RestartCondition.ANY ? 0 : 1;
}

function historyLimitOf(cluster: Cluster | undefined): number {
  return cluster?.spec?.orchestration?.taskHistoryLimit ?? defaults.taskHistoryLimit;
}

export class TaskReaper {
  readonly #o: ReaperOptions;
  readonly #loop: ControlLoop;
  readonly #dirty = new Set<string>();
  #watch: Watch | undefined;

  constructor(options: ReaperOptions) {
    this.#o = options;
    this.#loop = new ControlLoop({
      ...options,
      name: 'task reaper',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#o.store.watch({
      change: (c) => {
        if (c.kind === 'task' && c.action !== 'remove') this.#dirty.add(c.object.serviceId);
        else if (c.kind === 'cluster') this.#markAll();
        else return;
        this.#loop.mark();
      },
    });
    this.#markAll();
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await this.#loop.stop();
  }

  #markAll(): void {
    this.#o.store.view((tx) => {
      for (const t of tx.list('task')) this.#dirty.add(t.serviceId);
    });
  }

  async #work(): Promise<void> {
    const services = [...this.#dirty];
    this.#dirty.clear();
    const begin = this.#o.clock.monotonic();
    const ids = this.#o.store.view((tx) => {
      const limit = historyLimitOf(tx.list('cluster')[0]);
      return services.flatMap((id) => tasksToDelete(tx.by('task', 'service', id), tx.get('service', id), limit));
    });
    this.#loop.giveWay(this.#o.clock.monotonic() - begin);
    try {
      await this.#o.store.batch(
        ids,
        (tx, id) => {
          const task = tx.get('task', id);
          // It may have been given to a node meanwhile, and that one has to say that it has ended.
          if (task && hasEndedOrNeverBegan(task)) tx.remove('task', id);
        },
        (id, e) => this.#o.log.warn('task could not be deleted', { task: id, error: e }),
      );
    } catch (e) {
      for (const id of services) this.#dirty.add(id);
      throw e;
    }
  }
}
