/** Starts a container again after its end, each time later than before. */
import type { Clock, TimerHandle } from '@swarmts/lib';
import { nextRestartDelayMs } from './restart-policy.js';

export class RestartTimer {
  readonly #clock: Clock;
  readonly #start: () => void;
  #timer: TimerHandle | undefined;
  #delayMs = 0;

  constructor(clock: Clock, start: () => void) {
    this.#clock = clock;
    this.#start = start;
  }

  /** `ranMs`: how long it was up. */
  schedule(ranMs: number): void {
    this.#delayMs = nextRestartDelayMs(this.#delayMs, ranMs);
    this.#after(this.#delayMs);
  }

  now(): void {
    this.#after(0);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Somebody has started it: what was before does not count. */
  reset(): void {
    this.cancel();
    this.#delayMs = 0;
  }

  #after(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#start();
    });
  }
}
