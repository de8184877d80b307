/**
 * The one shape of every control loop: a start that takes snapshot and watch in one step and reconciles once, events
 * that only mark things dirty, and a debounced `work` that handles everything dirty in a batch. `work` never runs twice
 * at the same time. A loop whose work throws is reported and tried again with backoff: it never dies silently.
 */
import { Backoff } from './backoff.js';
import type { Clock, Random, TimerHandle } from './clock.js';
import type { Logger } from './log.js';

export interface ControlLoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Quiet time after the last mark before work starts. */
  readonly debounceMs: number;
  /** Longest time that marks may postpone the work. */
  readonly maxDelayMs: number;
  /** Handles everything that is dirty. */
  readonly work: () => Promise<void> | void;
  /** Told after GIVE_UP_AFTER failures in a row: the owner hands leadership over. */
  readonly onStuck?: (error: unknown) => void;
}

export const GIVE_UP_AFTER = 10;
/** Work that kept the processor busy for less is nobody's trouble. */
const LONG_WORK_MS = 50;
/** Of the time that it was busy. */
const REST = 2;

export class ControlLoop {
  readonly #o: ControlLoopOptions;
  readonly #backoff: Backoff;
  #timer: TimerHandle | undefined;
  #firstMark: number | undefined;
  #running: Promise<void> | undefined;
  #dirty = false;
  #stopped = false;
  #failures = 0;
  #restUntil = Number.NEGATIVE_INFINITY;
  /** After work that has failed: marks do not make it come sooner. */
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: ControlLoopOptions) {
    this.#o = options;
    this.#backoff = new Backoff({ initialMs: 100, maxMs: 10_000, random: options.random });
  }

  /** Something changed: work will run soon. */
  mark(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    if (this.#running) return;
    const now = this.#o.clock.monotonic();
    this.#firstMark ??= now;
    const postponed = now - this.#firstMark;
    const delay = Math.min(this.#o.debounceMs, Math.max(0, this.#o.maxDelayMs - postponed));
    this.#schedule(Math.max(delay, this.#restUntil - now, this.#retryAt - now));
  }

  /** For work that has kept the processor from others for `busyMs`: after long ones the next run waits, so that others get on. */
  giveWay(busyMs: number): void {
    if (busyMs >= LONG_WORK_MS) this.#restUntil = this.#o.clock.monotonic() + busyMs * REST;
  }

  /** Stops scheduling; resolves when work that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#o.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#dirty && !this.#stopped && this.#timer === undefined) this.mark();
      });
    });
  }

  async #run(): Promise<void> {
    this.#dirty = false;
    this.#firstMark = undefined;
    try {
      await this.#o.work();
      this.#failures = 0;
      this.#backoff.reset();
    } catch (e) {
      if (this.#stopped) return;
      this.#failures++;
      this.#o.log.error('control loop failed, trying again', {
        loop: this.#o.name,
        error: e,
        failures: this.#failures,
      });
      if (this.#failures >= GIVE_UP_AFTER) this.#o.onStuck?.(e);
      this.#dirty = true;
      const delayMs = this.#backoff.next();
      this.#retryAt = this.#o.clock.monotonic() + delayMs;
      this.#schedule(delayMs);
    }
  }
}
