/**
 * Has the keys of encrypted networks renewed in time: counts up the cluster's generation of keys, which every node answers with a
 * new key of its own. The time of the last renewal is in the store, so that a new leader neither hurries nor forgets. Nodes keep two
 * generations: one that has not answered the last is waited for, since the next would cut it off; but nobody is waited for for ever.
 */
import { type Cluster, isEncrypted, type Node, NodeState } from '@swarmts/proto';
import { keyPeriod, periodMs } from '../cluster-labels.js';
import type { LeaderContext } from '../leader-component.js';
import { LeaderLoop, UNTIL_CHANGED } from '../leader-loop.js';
import type { AnyChange } from '../store/tables.js';

const DEBOUNCE_MS = 50;
const MAX_DELAY_MS = 500;
/** So long a generation is used at most while a node has not answered it. */
const MOST_PERIODS = 2;

/** The cluster with a new generation when it is due; else how long that takes. */
export function renewKeys(
  cluster: Cluster,
  nodes: readonly Node[],
  nowMs: number,
): Cluster | { readonly dueInMs: number } {
  const first = cluster.networkKeyGeneration === 0;
  const period = periodMs(cluster.spec, keyPeriod);
  // The clock of the leader that renewed them last may have been ahead.
  const ageMs = Math.max(0, nowMs - cluster.networkKeysRenewedAtMs);
  const isAwaited = nodes.some((n) => isBehind(n, cluster.networkKeyGeneration));
  const dueInMs = first ? 0 : period * (isAwaited ? MOST_PERIODS : 1) - ageMs;
  if (dueInMs > 0) return { dueInMs };
  return { ...cluster, networkKeyGeneration: cluster.networkKeyGeneration + 1, networkKeysRenewedAtMs: nowMs };
}

/** It has tunnels by keys from before alone. Nothing is sent to a node that is down, until it is back and has new ones. */
function isBehind(n: Node, generation: number): boolean {
  const keys = n.description?.dataPathKeys ?? [];
  return n.status?.state !== NodeState.DOWN && keys.length > 0 && keys.every((k) => k.generation < generation);
}

export class NetworkKeyRenewal extends LeaderLoop {
  constructor(context: LeaderContext) {
    super(context, 'network key renewal', { debounceMs: DEBOUNCE_MS, maxDelayMs: MAX_DELAY_MS });
  }

  protected override concerns(c: AnyChange): boolean {
    return c.kind === 'cluster' || c.kind === 'network' || c.kind === 'node';
  }

  protected override async work(): Promise<number> {
    const { store, clock } = this.context;
    const due = store.view((tx) => {
      const cluster = tx.list('cluster')[0];
      const isUsed = tx.list('network').some((n) => isEncrypted(n.spec));
      return cluster && isUsed ? renewKeys(cluster, tx.list('node'), clock.now()) : undefined;
    });
    if (!due) return UNTIL_CHANGED;
    if ('dueInMs' in due) return due.dueInMs;
    // The write is a change of the cluster: the next look waits for the next time.
    await store.update((tx) => {
      const cluster = tx.list('cluster')[0];
      const next = cluster && renewKeys(cluster, tx.list('node'), clock.now());
      if (next && !('dueInMs' in next)) tx.update('cluster', next);
    });
    return UNTIL_CHANGED;
  }
}
