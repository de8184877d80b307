// The batch of work that the core hands out, and, with asynchronous writes, the messages to the own disk and state
// machine that take its place.
import { entriesSizeBytes } from '../entry-size.js';
import type { Message, StorageAppend, StorageAppendResponse, StorageApply, StorageApplyResponse } from '../message.js';
import type { Entry, HardState, Role, Snapshot } from '../types.js';
import type { Raft, ReadState } from './raft.js';

export interface SoftState {
  readonly leader: number;
  readonly role: Role;
  readonly term: number;
}

export interface Ready {
  /** Present if leader or role changed. Not stored. */
  readonly softState: SoftState | undefined;
  /**
   * Present if it changed. To be stored together with `entries`, as a whole or not at all; a storage that cannot do so
   * writes it after them: a commit index that is found beside entries which a torn write should have replaced would
   * make those look committed.
   */
  readonly hardState: HardState | undefined;
  /** Replaces the stored log, before `entries` are added. */
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
  /** Whether the writes must reach the disk before anything is sent: false if only the commit index went up. */
  readonly mustSync: boolean;
  /** Whether `messages` may go out while the writes are still under way. */
  readonly mayOverlap: boolean;
  /** With asynchronous writes they may all go out at once; what has to wait is in `storageAppend`. */
  readonly messages: readonly Message[];
  /** To be applied after the writes; conf entries through `applyConfEntry`. */
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** With asynchronous writes only: what to write, instead of `hardState`, `snapshot` and `entries`. */
  readonly storageAppend: StorageAppend | undefined;
  /** With asynchronous writes only: what to apply, instead of `committedEntries`. */
  readonly storageApply: StorageApply | undefined;
}

export function hardStateOf(raft: Raft): HardState {
  return { term: raft.term, vote: raft.vote, commit: raft.log.committed };
}

export function softStateOf(raft: Raft): SoftState {
  const { leader, role, term } = raft;
  return { leader, role, term };
}

export function isSameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

/** The term is no part of it: it is never new without a new hard state. */
export function isSameSoftState(a: SoftState, b: SoftState): boolean {
  return a.leader === b.leader && a.role === b.role;
}

/**
 * What the core must hear once everything handed out so far is written; undefined if nothing. It speaks of the end of
 * the log even if no entry is handed out now: answers about entries of an older term are not believed, and this one is.
 */
export function appendResponse(raft: Raft, snapshot: Snapshot | undefined): StorageAppendResponse | undefined {
  const hasEntries = raft.log.unstable.count > 0;
  if (!hasEntries && snapshot === undefined) return undefined;
  const { index, term: logTerm } = hasEntries ? raft.log.end : { index: 0, term: 0 };
  return { type: 'storage-append-response', to: raft.id, term: raft.term, index, logTerm, snapshot };
}

export function applyResponse(raft: Raft, entries: readonly Entry[]): StorageApplyResponse | undefined {
  return entries.length === 0 ? undefined : { type: 'storage-apply-response', to: raft.id, entries };
}

/** The core's reaction to what its disk or state machine has done. */
export function noteStorage(raft: Raft, response: StorageAppendResponse | StorageApplyResponse): void {
  if (response.type === 'storage-apply-response') {
    raft.noteEntriesApplied(response.entries, entriesSizeBytes(response.entries));
    return;
  }
  if (response.index > 0) raft.noteStable(response.term, response.index, response.logTerm);
  if (response.snapshot !== undefined) raft.noteSnapshotStable(response.snapshot);
}

/** The write that goes with a batch; undefined if there is nothing to write and nothing that waits for a write. */
export function storageAppendOf(
  raft: Raft,
  batch: Pick<Ready, 'hardState' | 'snapshot' | 'entries'>,
): StorageAppend | undefined {
  const { hardState, snapshot, entries } = batch;
  const isIdle = hardState === undefined && snapshot === undefined && entries.length === 0;
  if (isIdle && raft.afterAppend.length === 0) return undefined;
  // The own answer comes last: until then the entries are found in memory.
  const own = appendResponse(raft, snapshot);
  const responses = own === undefined ? raft.afterAppend : [...raft.afterAppend, own];
  return { type: 'storage-append', from: raft.id, hardState, snapshot, entries, responses };
}

export function storageApplyOf(raft: Raft, entries: readonly Entry[]): StorageApply | undefined {
  const response = applyResponse(raft, entries);
  return response && { type: 'storage-apply', from: raft.id, entries, responses: [response] };
}
