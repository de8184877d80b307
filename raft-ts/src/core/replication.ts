// How a leader feeds the other members: appends, snapshots for those that are too far behind, heartbeats; and what it
// learns from their answers. Invariants: it counts majorities for entries of its own term only, all earlier ones are
// committed with them; it counts nobody, itself included, for what is not on that member's disk.
import { payloadSizeBytes } from '../entry-size.js';
import { invariant } from '../errors.js';
import type { AppendResponseMessage, HeartbeatResponseMessage } from '../message.js';
import { type Entry, NO_DATA } from '../types.js';
import type { Progress } from './progress.js';
import { committedIndex } from './quorum.js';
import type { Raft } from './raft.js';
import { confirmReads, releaseReads } from './reads.js';
import { finishTransfer } from './transfer.js';

/** Commits what a majority holds, if it is of the own term. True if the commit index went up. */
export function maybeCommit(raft: Raft): boolean {
  const index = committedIndex(raft.voterSets, (id) => raft.progress.get(id)?.match, raft.rules.majority);
  if (index <= raft.log.committed || !raft.rules.mayCommit(raft.log.term(index), raft.term)) return false;
  return raft.log.commitTo(index);
}

export function broadcastAppend(raft: Raft): void {
  for (const to of raft.progress.keys()) if (to !== raft.id) sendAppend(raft, to, true);
}

/** First appends to those that have something to catch up on. */
export function probeMembers(raft: Raft): void {
  for (const to of raft.progress.keys()) if (to !== raft.id) sendAppend(raft, to, false);
}

/** Sends what `to` needs next: entries, an empty append if `evenEmpty`, or a snapshot. False if nothing was sent. */
export function sendAppend(raft: Raft, to: number, evenEmpty: boolean): boolean {
  const progress = raft.progress.get(to);
  if (progress === undefined || progress.isPaused) return false;
  const { log } = raft;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined || progress.next < log.firstIndex) return sendSnapshot(raft, to, progress);
  // A full stream gets empty appends only: if all that is under way was lost, their answers will tell.
  const isFull = progress.state === 'replicate' && progress.inflights.isFull;
  const entries: readonly Entry[] = isFull
    ? []
    : log.slice(progress.next, log.lastIndex + 1, raft.settings.maxAppendBytes);
  if (entries.length === 0 && !evenEmpty) return false;
  const { id: from, term } = raft;
  raft.send({ type: 'append', from, to, term, prevIndex, prevTerm, entries, commit: log.committed });
  progress.sentEntries(entries.length, payloadSizeBytes(entries));
  progress.sentCommit(log.committed);
  return true;
}

function sendSnapshot(raft: Raft, to: number, progress: Progress): boolean {
  // A snapshot is costly: not to somebody who is not there.
  if (!progress.recentActive) {
    raft.trace?.({ kind: 'snapshot-not-sent', to });
    return false;
  }
  const metadata = raft.log.storedSnapshot();
  invariant(metadata.index > 0, 'entries were compacted without a snapshot');
  const { firstIndex, committed: commit } = raft.log;
  raft.trace?.({ kind: 'snapshot-sent', to, firstIndex, commit, snapshot: metadata, progress });
  progress.becomeSnapshot(metadata.index);
  raft.trace?.({ kind: 'snapshot-paused', to, progress });
  raft.send({ type: 'snap', from: raft.id, to, term: raft.term, snapshot: { metadata, data: NO_DATA } });
  return true;
}

export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.heartbeatContext();
  for (const [to, progress] of raft.progress) {
    if (to === raft.id) continue;
    // Never beyond what the member surely holds: its log after that may be another one.
    const commit = raft.rules.heartbeatCommit(progress.match, raft.log.committed);
    raft.send({ type: 'heartbeat', from: raft.id, to, term: raft.term, commit, context });
    progress.sentCommit(commit);
  }
}

export function handleAppendResponse(raft: Raft, message: AppendResponseMessage, progress: Progress): void {
  progress.recentActive = true;
  // Nobody can hold more than the leader wrote: not an answer to anything that was sent.
  if (message.index > raft.log.lastIndex) return;
  if (message.reject) goBack(raft, message, progress);
  else goOn(raft, message, progress);
}

/**
 * The logs do not agree yet. The hint says where the member's log may agree; where the own log is of a later term than
 * the hint, it cannot. So at most one probe is needed per term, not one per entry.
 */
function goBack(raft: Raft, message: AppendResponseMessage, progress: Progress): void {
  const { from, index, hintIndex, hintTerm } = message;
  raft.trace?.({ kind: 'append-refused', from, hint: { index: hintIndex, term: hintTerm }, index });
  const agreeAt = hintTerm > 0 ? raft.log.lastNotAfter(hintIndex, hintTerm).index : hintIndex;
  if (!progress.reject(index, agreeAt)) return;
  raft.trace?.({ kind: 'progress-decreased', to: from, progress });
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(raft, from, true);
}

function goOn(raft: Raft, message: AppendResponseMessage, progress: Progress): void {
  const { from, index } = message;
  // An answer that brings nothing new still shows a probed member to be in step.
  const isInStep = progress.state === 'probe' && progress.match === index;
  if (!progress.accept(index) && !isInStep) return;
  advanceProgress(raft, from, progress, index);
  if (maybeCommit(raft)) {
    releaseReads(raft);
    broadcastAppend(raft);
  } else if (from !== raft.id && progress.canBumpCommit(raft.log.committed)) {
    sendAppend(raft, from, true);
  }
  if (from !== raft.id) {
    while (sendAppend(raft, from, false)) {
      // Fill the stream up to its limit.
    }
  }
  finishTransfer(raft, from, progress);
}

function advanceProgress(raft: Raft, to: number, progress: Progress, index: number): void {
  switch (progress.state) {
    case 'probe':
      progress.becomeReplicate();
      break;
    case 'replicate':
      progress.inflights.freeUpTo(index);
      break;
    case 'snapshot':
      // Whatever brought it that far: it can be fed from the log again.
      if (progress.match + 1 >= raft.log.firstIndex) {
        raft.trace?.({ kind: 'snapshot-recovered', to, progress });
        progress.becomeProbe();
        progress.becomeReplicate();
      }
      break;
  }
}

export function handleHeartbeatResponse(raft: Raft, message: HeartbeatResponseMessage, progress: Progress): void {
  progress.recentActive = true;
  progress.flowPaused = false;
  if (progress.match < raft.log.lastIndex || progress.state === 'probe') sendAppend(raft, message.from, true);
  if (message.context.length > 0) confirmReads(raft, message.from, message.context);
}

/** A member was not reachable: appends may be lost, so go back to asking where its log ends. */
export function noteUnreachable(raft: Raft, id: number): void {
  const progress = raft.progress.get(id);
  if (raft.role !== 'leader' || progress === undefined) return;
  if (progress.state === 'replicate') progress.becomeProbe();
  raft.trace?.({ kind: 'unreachable', to: id, progress });
}

export function noteSnapshotSent(raft: Raft, id: number, ok: boolean): void {
  const progress = raft.progress.get(id);
  if (raft.role !== 'leader' || progress?.state !== 'snapshot') return;
  if (!ok) progress.snapshotFailed();
  progress.becomeProbe();
  raft.trace?.({ kind: ok ? 'snapshot-succeeded' : 'snapshot-failed', to: id, progress });
  // The answer to the snapshot, or else the next heartbeat's answer, says that it is time to go on.
  progress.flowPaused = true;
}
