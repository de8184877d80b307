// Handing the leadership over: the chosen member is brought up to date, then told to campaign at once. Meanwhile no
// proposals are taken. Given up after an election timeout.
import { NOBODY } from '../types.js';
import type { Progress } from './progress.js';
import type { Raft } from './raft.js';
import { sendAppend } from './replication.js';

export function startTransfer(raft: Raft, to: number): void {
  const { term } = raft;
  const progress = raft.progress.get(to);
  if (progress === undefined) return;
  if (progress.isLearner) {
    raft.trace?.({ kind: 'transfer', step: 'learner', to, term });
    return;
  }
  if (raft.transferee === to) {
    raft.trace?.({ kind: 'transfer', step: 'same', to, term });
    return;
  }
  if (raft.transferee !== NOBODY) {
    raft.trace?.({ kind: 'transfer', step: 'abort-previous', to: raft.transferee, term });
    raft.transferee = NOBODY;
  }
  if (to === raft.id) {
    raft.trace?.({ kind: 'transfer', step: 'self', to, term });
    return;
  }
  raft.trace?.({ kind: 'transfer', step: 'start', to, term });
  // A whole election timeout from now on to make it happen.
  raft.electionElapsed = 0;
  raft.transferee = to;
  if (progress.match === raft.log.lastIndex) {
    raft.send({ type: 'timeout-now', from: raft.id, to, term });
    raft.trace?.({ kind: 'transfer', step: 'timeout-now', to, term });
  } else {
    sendAppend(raft, to, true);
  }
}

/** A member has confirmed appends: if it is the chosen one and has everything, its time has come. */
export function finishTransfer(raft: Raft, from: number, progress: Progress): void {
  if (from !== raft.transferee || progress.match !== raft.log.lastIndex) return;
  const { term } = raft;
  raft.trace?.({ kind: 'transfer', step: 'caught-up', to: from, term });
  raft.send({ type: 'timeout-now', from: raft.id, to: from, term });
}
