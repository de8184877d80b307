/** Looks once a second whether the monitors of the running containers live; it costs two reads of /proc per container. */
import type { Clock, TimerHandle } from '@swarmts/lib';

const CHECK_INTERVAL_MS = 1_000;

export class MonitorWatch {
  readonly #check: () => Promise<void>;
  readonly #clock: Clock;
  #timer: TimerHandle | undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;

  /** `check` must not throw. */
  constructor(check: () => Promise<void>, clock: Clock) {
    this.#check = check;
    this.#clock = clock;
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(CHECK_INTERVAL_MS, () => {
      this.#round = this.#check().finally(() => this.#schedule());
    });
  }
}
