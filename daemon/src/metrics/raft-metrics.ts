/** Raft as this manager sees it. */
import type { RaftTimings } from '@swarmts/manager';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { gauge } from './gauge.js';

export class RaftLatencies implements RaftTimings {
  readonly #transactions: Histogram;
  readonly #snapshots: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const help = (what: string) => `${what} latency in seconds`;
    this.#transactions = new Histogram({
      name: 'swarm_raft_transaction_latency_seconds',
      help: help('Raft transaction'),
      registers,
    });
    this.#snapshots = new Histogram({
      name: 'swarm_raft_snapshot_latency_seconds',
      help: help('Raft snapshot create'),
      registers,
    });
  }

  transaction(seconds: number): void {
    this.#transactions.observe(seconds);
  }

  snapshot(seconds: number): void {
    this.#snapshots.observe(seconds);
  }
}

/** Counts of Raft that only go up while a manager runs, as metric, field and meaning. */
const COUNTERS = [
  ['proposals', 'proposals', 'Entries that were proposed here'],
  ['entries_applied', 'entriesApplied', 'Committed entries that were applied'],
  ['messages_sent', 'messagesSent', 'Messages to other managers'],
  ['messages_received', 'messagesReceived', 'Messages of other managers'],
  ['log_written_bytes', 'logBytes', 'Bytes that were written to the log'],
  ['log_syncs', 'logSyncs', 'Syncs of the log'],
  ['snapshots_taken', 'snapshotsTaken', 'Snapshots that were taken'],
  ['snapshots_sent', 'snapshotsSent', 'Snapshots that were sent to other managers'],
] as const;

export function registerRaftMetrics(registry: Registry, node: SwarmNode): void {
  const raft = () => node.managerIfAny?.raft;
  for (const [name, field, help] of COUNTERS) {
    new Counter({
      name: `swarmts_raft_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(raft()?.metrics[field] ?? 0);
      },
    });
  }
  const status = (read: 'term' | 'commit' | 'applied') => () => raft()?.status[read] ?? 0;
  gauge(registry, 'swarmts_raft_term', 'Term of Raft', status('term'));
  gauge(
    registry,
    'swarmts_raft_commit_index',
    'Index of the last committed entry that is known here',
    status('commit'),
  );
  gauge(registry, 'swarmts_raft_applied_index', 'Index of the last entry that was applied here', status('applied'));
  gauge(registry, 'swarmts_raft_has_leader', 'Whether this manager knows a leader', () => (raft()?.leader ? 1 : 0));
  gauge(
    registry,
    'swarmts_raft_waiting_proposals',
    'Proposals that are not applied yet',
    () => (raft()?.metrics.queuedProposals ?? 0) + (raft()?.metrics.waitingProposals ?? 0),
  );
}
