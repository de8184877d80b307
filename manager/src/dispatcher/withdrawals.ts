/**
 * Tasks that are to stop and that other nodes may still send connections to: each is waited for until every node that was told has
 * said that it is out of its rules and names. Pure bookkeeping; a node that goes away is not waited for.
 */

interface Withdrawal<S> {
  readonly nodeId: string;
  /** Sequence that each session has to have applied. */
  readonly waits: Map<S, number>;
}

export interface WithdrawnTask {
  readonly taskId: string;
  /** Where it runs. */
  readonly nodeId: string;
}

/** Far more than stop at once; tasks beyond are not waited for, and their nodes wait as long as they do without an answer. */
const MAX_PENDING = 100_000;

export class Withdrawals<S> {
  readonly #pending = new Map<string, Withdrawal<S>>();

  /** Returns the tasks that nobody has to be waited for. */
  begin(tasks: readonly WithdrawnTask[], waits: ReadonlyMap<S, number>): readonly WithdrawnTask[] {
    if (waits.size === 0) return tasks;
    for (const { taskId, nodeId } of tasks) {
      if (this.#pending.size < MAX_PENDING) this.#pending.set(taskId, { nodeId, waits: new Map(waits) });
    }
    return [];
  }

  /** Returns the tasks that are out of everywhere now. */
  applied(session: S, sequence: number): readonly WithdrawnTask[] {
    return this.#settle(session, (wanted) => sequence >= wanted);
  }

  dropped(session: S): readonly WithdrawnTask[] {
    return this.#settle(session, () => true);
  }

  #settle(session: S, isDone: (wanted: number) => boolean): readonly WithdrawnTask[] {
    const done: WithdrawnTask[] = [];
    for (const [taskId, { nodeId, waits }] of this.#pending) {
      const wanted = waits.get(session);
      if (wanted === undefined || !isDone(wanted)) continue;
      waits.delete(session);
      if (waits.size > 0) continue;
      this.#pending.delete(taskId);
      done.push({ taskId, nodeId });
    }
    return done;
  }
}
