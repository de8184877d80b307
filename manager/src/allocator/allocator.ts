/**
 * Moves tasks from NEW to PENDING once everything that they need before they get a node is there. A task whose needs
 * cannot be met stays in NEW with the reason in its status.
 */
import { ControlLoop, type Watch } from '@swarmts/lib';
import { observedState, type Task, TaskState, TaskStatus } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import type { WriteTx } from '../store/transaction.js';

const DEBOUNCE_MS = 2;
const MAX_DELAY_MS = 50;

export class Allocator implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  readonly #waiting = new Set<string>();
  #watch: Watch | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'allocator',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({
      change: (c) => {
        if (c.kind !== 'task' || c.action === 'remove' || !needsAllocation(c.object)) return;
        this.#waiting.add(c.object.id);
        this.#loop.mark();
      },
    });
    this.#c.store.view((tx) => {
      for (const t of tx.list('task')) if (needsAllocation(t)) this.#waiting.add(t.id);
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await this.#loop.stop();
  }

  async #work(): Promise<void> {
    const ids = [...this.#waiting];
    await this.#c.store.batch(ids, allocateTask, (id, e) =>
      this.#c.log.warn('task could not be allocated', { task: id, error: e }),
    );
    for (const id of ids) this.#waiting.delete(id);
  }
}

function needsAllocation(t: Task): boolean {
  return observedState(t) === TaskState.NEW && t.desiredState <= TaskState.RUNNING;
}

function allocateTask(tx: WriteTx, id: string): void {
  const task = tx.get('task', id);
  if (!task || !needsAllocation(task)) return;
  const status = TaskStatus.create({ ...task.status, state: TaskState.PENDING, message: 'pending task scheduling' });
  tx.update('task', { ...task, status });
}
