/** What every component that runs on the leader alone is given, and how it is started and stopped. */
import type { Clock, Logger, Random } from '@swarmts/lib';
import type { Store } from './store/store.js';

export interface LeaderContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A component cannot go on: leadership is handed over. */
  readonly onStuck: (e: unknown) => void;
}

export interface LeaderComponent {
  start(): void;
  stop(): Promise<void>;
}
