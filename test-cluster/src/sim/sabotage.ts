/** Bugs to plant into a simulated cluster, which the checker has to find: each changes or loses tasks that one loop writes. */
import type { Store } from '@swarmts/manager/simulation';
import { observedState, type Task, TaskState, TaskStatus } from '@swarmts/proto';

export type LoopName = 'services' | 'allocator' | 'scheduler' | 'dispatcher';

export interface Bug {
  readonly loop: LoopName;
  /** What is written instead; undefined = nothing is. `nth` counts the loop's writes of tasks from 1. */
  readonly write: (task: Task, action: 'create' | 'update', nth: number) => Task | undefined;
}

export const bugs: Readonly<Record<string, Bug>> = {
  'a created task is lost': {
    loop: 'services',
    write: (t, action, nth) => (action === 'create' && nth % 7 === 0 ? undefined : t),
  },
  'a task is not let go': {
    loop: 'services',
    write: (t, action, nth) =>
      action === 'update' && t.desiredState >= TaskState.SHUTDOWN && nth % 5 === 0 ? undefined : t,
  },
  'nobody waits for a predecessor': {
    loop: 'services',
    write: (t, action) =>
      action === 'create' && t.desiredState === TaskState.READY ? { ...t, desiredState: TaskState.RUNNING } : t,
  },
  'one node gets everything': {
    loop: 'scheduler',
    write: (t) => (observedState(t) === TaskState.ASSIGNED ? { ...t, nodeId: 'n1' } : t),
  },
  'an address is given twice': {
    loop: 'allocator',
    write: (t) => ({ ...t, networks: t.networks.map((n) => ({ ...n, addresses: ['10.0.1.77/24'] })) }),
  },
  'a state goes back': {
    loop: 'dispatcher',
    write: (t, _, nth) =>
      nth % 9 === 0 && observedState(t) === TaskState.RUNNING
        ? { ...t, status: TaskStatus.create({ ...t.status, state: TaskState.PREPARING }) }
        : t,
  },
};

/** The store as the loop of the bug sees it; everybody else's is as it was. */
export function sabotaged(store: Store, bug: Bug): Store {
  let nth = 0;
  const write = (tx: Tx): Tx =>
    new Proxy(tx, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (key !== 'create' && key !== 'update') return value.bind(target);
        return (kind: string, object: Task) => {
          if (kind !== 'task') return Reflect.apply(value, target, [kind, object]);
          const other = bug.write(object, key, ++nth);
          return other && Reflect.apply(value, target, [kind, other]);
        };
      },
    });
  return new Proxy(store, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      if (key === 'update') return (fn: (tx: Tx) => unknown) => target.update((tx) => fn(write(tx)));
      if (key !== 'batch') return value.bind(target);
      return (
        items: readonly unknown[],
        fn: (tx: Tx, item: unknown) => void,
        onError: (item: unknown, e: unknown) => void,
      ) => target.batch(items, (tx, item) => fn(write(tx), item), onError);
    },
  });
}

type Tx = Parameters<Parameters<Store['update']>[0]>[0];
