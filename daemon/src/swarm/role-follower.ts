/** Follows what is wanted of this node until it is done: one attempt at a time, again after a failure, and once more when it was asked meanwhile. */
import { asSwarmtsError, type Clock, type Logger, sleep } from '@swarmts/lib';

const RETRY_MS = 500;

export interface RoleFollowerOptions {
  /** One step; throws where there is more to do, or where it failed. */
  readonly follow: () => Promise<void>;
  /** Nothing is to be followed any more. */
  readonly isOver: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RoleFollower {
  readonly #o: RoleFollowerOptions;
  #following = false;
  #again = false;

  constructor(options: RoleFollowerOptions) {
    this.#o = options;
  }

  /** What is wanted may have changed. */
  mark(): void {
    this.#again = true;
    if (this.#following) return;
    this.#following = true;
    this.#attempts()
      .catch((e: unknown) => this.#o.log.error('change of role failed', { error: e }))
      .finally(() => {
        this.#following = false;
        if (this.#again) this.mark();
      });
  }

  async #attempts(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#o.follow();
      } catch (e) {
        if (this.#o.isOver()) return;
        this.#o.log.warn('change of role is tried again', { error: asSwarmtsError(e).message });
        await sleep(this.#o.clock, RETRY_MS);
        this.#again = true;
      }
    }
  }
}
