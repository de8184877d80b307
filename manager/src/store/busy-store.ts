/** A store of one manager whose writes wait, or fail, when they are told to: as without a quorum, and as while it is busy. For tests. */
import { SwarmtsError } from '@swarmts/lib';
import { Store } from './store.js';

export interface BusyStore {
  readonly store: Store;
  /** Writes wait until what is returned is called. */
  hold(): () => void;
  failNext(): void;
}

export function busyStore(now: () => number): BusyStore {
  let index = 0;
  let failures = 0;
  let held: Promise<void> = Promise.resolve();
  const propose = async (data: Uint8Array) => {
    await held;
    if (failures-- > 0) throw new SwarmtsError('resource-exhausted', 'the managers are busy, try again');
    store.applyEntry(++index, data);
  };
  const store: Store = new Store({ now, proposer: { propose } });
  return {
    store,
    hold: () => {
      let letGo = () => {};
      held = new Promise((resolve) => {
        letGo = resolve;
      });
      return letGo;
    },
    failNext: () => {
      failures = 1;
    },
  };
}
