/**
 * Makes the Raft group follow the nodes' roles: promotes learners that have caught up, and removes a manager that was
 * demoted from Raft first, so that it is told its new role only afterwards.
 */
import { isSwarmtsError } from '@swarmts/lib';
import { type Node, NodeRole } from '@swarmts/proto';
import type { LeaderContext } from '../leader-component.js';
import { LeaderLoop, UNTIL_CHANGED } from '../leader-loop.js';
import type { RaftGroup } from '../raft/raft-group.js';
import { withRemovedMembers } from '../raft/removed-members.js';
import type { AnyChange } from '../store/tables.js';

const DEBOUNCE_MS = 20;
const MAX_DELAY_MS = 500;
/** How often progress of learners and failed removals are looked at again. */
const PERIOD_MS = 250;
/** A learner so close behind the leader becomes a voter. */
const CAUGHT_UP_ENTRIES = 100;

export class RoleManager extends LeaderLoop {
  readonly #raft: RaftGroup;

  constructor(context: LeaderContext, raft: RaftGroup) {
    super(context, 'roles', { debounceMs: DEBOUNCE_MS, maxDelayMs: MAX_DELAY_MS });
    this.#raft = raft;
  }

  protected override concerns(c: AnyChange): boolean {
    return c.kind === 'node';
  }

  protected override async work(): Promise<number> {
    const status = this.#raft.status;
    const nodes = this.context.store.view((tx) => tx.list('node'));
    const byRaftId = new Map(nodes.filter((n) => n.managerStatus).map((n) => [n.managerStatus?.raftId ?? 0, n]));
    let again = false;
    for (const id of status.learners) {
      const node = byRaftId.get(id);
      const match = status.progress?.get(id)?.match ?? 0;
      const member = this.#raft.book.get(id);
      // The vote of one that is away, or about to leave, may be the one that is missed then.
      const isReady = node?.spec?.role === NodeRole.MANAGER && this.#raft.isReachable(id);
      const isCaughtUp = match > 0 && status.commit - match <= CAUGHT_UP_ENTRIES;
      if (!node) await this.#raft.remove(id);
      else if (member && isReady && isCaughtUp) await this.#raft.promote(member);
      else again = true;
    }
    for (const id of status.voters) {
      if (id !== status.id && !byRaftId.has(id)) again = !(await this.#remove(id)) || again;
    }
    for (const node of nodes)
      if (node.managerStatus && node.spec?.role === NodeRole.WORKER) again = !(await this.#demote(node)) || again;
    return again ? PERIOD_MS : UNTIL_CHANGED;
  }

  /** Raft first, then the node's record; false when it has to be tried again. */
  async #demote(node: Node): Promise<boolean> {
    if (!(await this.#remove(node.managerStatus?.raftId ?? 0))) return false;
    await this.context.store.update((tx) => {
      const current = tx.get('node', node.id);
      if (!current?.managerStatus) return;
      const cluster = tx.list('cluster')[0];
      if (cluster) tx.update('cluster', withRemovedMembers(cluster, [current.managerStatus.raftId]));
      tx.update('node', { ...current, managerStatus: undefined });
    });
    return true;
  }

  async #remove(raftId: number): Promise<boolean> {
    try {
      await this.#raft.remove(raftId);
      return true;
    } catch (e) {
      if (!isSwarmtsError(e, 'failed-precondition', 'not-leader', 'no-leader')) throw e;
      this.context.log.warn('manager is not removed from raft yet', { raftId, error: e });
      return false;
    }
  }
}
