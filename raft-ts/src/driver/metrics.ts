// What a member tells of itself, to be exported to whatever watches it.

/** Counts since the member was opened, and, last, lengths of queues at this moment. */
export interface RaftMetrics {
  readonly proposals: number;
  readonly reads: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** Committed entries of all kinds, those applied while the log was opened included. */
  readonly entriesApplied: number;
  readonly logBytes: number;
  readonly logBatches: number;
  readonly logSyncs: number;
  readonly snapshotsTaken: number;
  readonly snapshotsSent: number;
  /** Those that came in pieces. */
  readonly snapshotsReceived: number;
  /** Not in the log yet; at most 16,384. */
  readonly queuedProposals: number;
  /** In the log, not applied yet. */
  readonly waitingProposals: number;
  readonly waitingReads: number;
}
