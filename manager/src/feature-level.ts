/**
 * The cluster's feature level: what all managers know. It goes up when the last manager of an earlier release was upgraded, and
 * never down.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { Node } from '@swarmts/proto';
import type { LeaderContext } from './leader-component.js';
import { LeaderLoop, UNTIL_CHANGED } from './leader-loop.js';
import type { AnyChange } from './store/tables.js';
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

export class FeatureLevel extends LeaderLoop {
  constructor(context: LeaderContext) {
    super(context, 'feature level', { debounceMs: DEBOUNCE_MS, maxDelayMs: MAX_DELAY_MS });
  }

  protected override concerns(c: AnyChange): boolean {
    return c.kind === 'node' && c.object.managerStatus !== undefined;
  }

  protected override async work(): Promise<number> {
    const { store, log } = this.context;
    const next = store.view((tx) => commonLevel(tx.list('node')));
    const cluster = store.view((tx) => tx.list('cluster')[0]);
    if (!cluster || cluster.featureLevel >= next) return UNTIL_CHANGED;
    await store.update((tx) => {
      const now = tx.get('cluster', cluster.id);
      if (now && now.featureLevel < next) tx.update('cluster', { ...now, featureLevel: next });
    });
    log.info('all managers are of a newer release: its features are there', { level: next });
    return UNTIL_CHANGED;
  }
}
