/** What the loops over services need. */
import type { Clock, Logger, Random } from '@swarmts/lib';
import type { Store } from '../store/store.js';

export interface OrchestratorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onStuck: (e: unknown) => void;
}
