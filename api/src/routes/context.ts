/** What every group of routes is given. */
import type { Logger } from '@swarmts/lib';
import type { Backend } from '../backend.js';

export interface RouteContext {
  readonly backend: Backend;
  /** Release of the daemon. */
  readonly version: string;
  readonly log: Logger;
  readonly now: () => number;
  /** Tells that what nobody needed of a kind was removed, and how many bytes are free now. */
  readonly pruned: (type: string, bytes: number) => void;
}
