/**
 * Takes tasks away from nodes that do not suit them any more: labels, roles or resources of a node change, and its service's present
 * constraints or reservations are not met there. They are REJECTED, and restart where they fit. Global services look after themselves.
 */
import { ControlLoop, type Watch } from '@swarmts/lib';
import {
  isWanted,
  type Node,
  NodeAvailability,
  NodeState,
  observedState,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { NodeInfo } from '@swarmts/scheduler';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { isGlobal } from './job.js';
import { fitsPlacement } from './new-task.js';
import { rejectTask } from './reject-task.js';

const DEBOUNCE_MS = 50;
const MAX_DELAY_MS = 500;

const UNSUITABLE = 'assigned node no longer meets constraints';
const OVERBOOKED = 'assigned node no longer has the resources that are reserved on it';

/** Tasks that must go, and why. Pure. `tasks` are those of the node. */
export function tasksToReject(
  node: Node,
  tasks: readonly Task[],
  serviceOf: (id: string) => Service | undefined,
): readonly { readonly taskId: string; readonly reason: string }[] {
  const active = node.spec?.availability === NodeAvailability.ACTIVE && node.status?.state !== NodeState.DOWN;
  if (!active) return [];
  const rejected: { taskId: string; reason: string }[] = [];
  const room = new NodeInfo(node);
  for (const task of tasks) {
    const service = serviceOf(task.serviceId);
    const state = observedState(task);
    if (!service || state < TaskState.ASSIGNED || state > TaskState.RUNNING || !isWanted(task)) continue;
    if (!isGlobal(service.spec) && !fitsPlacement(service, node)) {
      rejected.push({ taskId: task.id, reason: UNSUITABLE });
      continue;
    }
    room.addTask(task);
    const free = room.freeNanoCpus >= 0 && room.freeMemoryBytes >= 0 && room.generic.holds();
    if (free) continue;
    room.removeTask(task.id);
    rejected.push({ taskId: task.id, reason: OVERBOOKED });
  }
  return rejected;
}

export class ConstraintEnforcer implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  readonly #dirty = new Set<string>();
  #watch: Watch | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'constraints',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({
      change: (c) => {
        if (c.kind !== 'node' || c.action === 'remove' || (c.old && sameForPlacement(c.object, c.old))) return;
        this.#dirty.add(c.object.id);
        this.#loop.mark();
      },
    });
    this.#c.store.view((tx) => {
      for (const n of tx.list('node')) this.#dirty.add(n.id);
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await this.#loop.stop();
  }

  async #work(): Promise<void> {
    const ids = [...this.#dirty];
    this.#dirty.clear();
    const verdicts = this.#c.store.view((tx) =>
      ids.flatMap((id) => {
        const node = tx.get('node', id);
        if (!node) return [];
        try {
          return tasksToReject(node, tx.by('task', 'node', id), (s) => tx.get('service', s));
        } catch (error) {
          // One object that cannot be judged must not keep the others from being judged.
          this.#c.log.error('the tasks of a node cannot be judged', { node: id, error });
          return [];
        }
      }),
    );
    try {
      await this.#c.store.batch(
        verdicts,
        (tx, v) => rejectTask(tx, v.taskId, v.reason, this.#c.clock.now()),
        (v, error) => this.#c.log.warn('task could not be taken away', { task: v.taskId, error }),
      );
    } catch (e) {
      for (const id of ids) this.#dirty.add(id);
      throw e;
    }
  }
}

function sameForPlacement(a: Node, b: Node): boolean {
  return (
    a.spec === b.spec &&
    a.description === b.description &&
    a.certificateRole === b.certificateRole &&
    a.status?.addr === b.status?.addr
  );
}
