/** Runs asynchronous operations on things with names: one after the other on the same thing, beside each other on different ones. */
import { SerialLock } from './serial-lock.js';

export class KeyedLocks {
  readonly #locks = new Map<string, { readonly lock: SerialLock; users: number }>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#locks.get(key) ?? { lock: new SerialLock(), users: 0 };
    this.#locks.set(key, entry);
    entry.users++;
    try {
      return await entry.lock.run(work);
    } finally {
      if (--entry.users === 0) this.#locks.delete(key);
    }
  }
}
