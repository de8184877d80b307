/** Runs asynchronous operations on one thing one after the other, in the order in which they were asked for. */
export class SerialLock {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything that was asked for so far is over. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
