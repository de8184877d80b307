/**
 * The cluster's feature level: what all managers know. It goes up when the last manager of an earlier release was upgraded, and
 * never down.
 */
import { ControlLoop, SwarmtsError, type Watch } from '@swarmts/lib';
import type { Node } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from './leader-component.js';
import type { ReadTx } from './store/transaction.js';

const DEBOUNCE_MS = 50;
const MAX_DELAY_MS = 500;

/** 0 while a manager has not said what it knows, or there is none. */
export function commonLevel(nodes: readonly Node[]): number {
  const levels = nodes.filter((n) => n.managerStatus).map((n) => n.description?.featureLevel ?? 0);
  return levels.length === 0 ? 0 : Math.min(...levels);
}

/** Throws SwarmtsError 'failed-precondition' naming the managers that are to be upgraded first. */
export function requireLevel(tx: ReadTx, level: number, what: string): void {
  if ((tx.list('cluster')[0]?.featureLevel ?? 0) >= level) return;
  const behind = tx.list('node').filter((n) => n.managerStatus && (n.description?.featureLevel ?? 0) < level);
  const names = behind.map((n) => n.description?.hostname || n.id).join(', ');
  throw new SwarmtsError(
    'failed-precondition',
    `${what} need managers that know them: upgrade ${names === '' ? 'all managers' : names} first`,
  );
}

export class FeatureLevel implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  #watch: Watch | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'feature level',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({
      change: (c) => {
        if (c.kind === 'node' && c.object.managerStatus) this.#loop.mark();
      },
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await this.#loop.stop();
  }

  async #work(): Promise<void> {
    const next = this.#c.store.view((tx) => commonLevel(tx.list('node')));
    const cluster = this.#c.store.view((tx) => tx.list('cluster')[0]);
    if (!cluster || cluster.featureLevel >= next) return;
    await this.#c.store.update((tx) => {
      const now = tx.get('cluster', cluster.id);
      if (now && now.featureLevel < next) tx.update('cluster', { ...now, featureLevel: next });
    });
    this.#c.log.info('all managers are of a newer release: its features are there', { level: next });
  }
}
