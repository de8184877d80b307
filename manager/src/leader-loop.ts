/**
 * A leader's loop that looks at everything when something that concerns it has changed, and again at a time of its own
 * choice. Loops that remember what has changed have their own watch.
 */
import { ControlLoop, type TimerHandle, type Watch } from '@swarmts/lib';
import type { LeaderComponent, LeaderContext } from './leader-component.js';
import type { AnyChange } from './store/tables.js';

export interface LeaderLoopTimes {
  readonly debounceMs: number;
  readonly maxDelayMs: number;
}

/** What `work` answers when it has to look again only after a change. */
export const UNTIL_CHANGED = 0;

export abstract class LeaderLoop implements LeaderComponent {
  protected readonly context: LeaderContext;
  readonly #loop: ControlLoop;
  #watch: Watch | undefined;
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(context: LeaderContext, name: string, times: LeaderLoopTimes) {
    this.context = context;
    this.#loop = new ControlLoop({ ...context, ...times, name, work: () => this.#look() });
  }

  /** Whether the change may give work. */
  protected abstract concerns(change: AnyChange): boolean;

  /** Resolves to the time in milliseconds after which to look again, or UNTIL_CHANGED. */
  protected abstract work(): Promise<number>;

  start(): void {
    this.#watch = this.context.store.watch({
      change: (c) => {
        if (this.concerns(c)) this.#loop.mark();
      },
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#timer?.cancel();
    await this.#loop.stop();
  }

  async #look(): Promise<void> {
    this.#timer?.cancel();
    const againInMs = await this.work();
    if (againInMs === UNTIL_CHANGED || this.#stopped) return;
    this.#timer = this.context.clock.after(againInMs, () => this.#loop.mark());
  }
}
