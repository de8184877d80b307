// What a member tells about its decisions, for logs and for scripted tests: one event per decision worth a line. Events
// are made only if somebody listens, and describe the moment of the call: what they refer to may change afterwards.
import type { MessageType } from '../message.js';
import type { MembershipChange, Role } from '../types.js';
import type { Membership } from './membership.js';
import type { Progress } from './progress.js';

/** The last entry of a log. */
export interface LogEnd {
  readonly index: number;
  readonly term: number;
}

export type ElectionEvent =
  | { readonly kind: 'role'; readonly role: Role; readonly term: number }
  | {
      readonly kind: 'campaign-refused';
      readonly reason: 'leading' | 'unpromotable' | 'unapplied-change';
      readonly term: number;
    }
  | { readonly kind: 'campaign'; readonly term: number }
  | {
      readonly kind: 'vote-requested';
      readonly type: 'vote' | 'pre-vote';
      readonly to: number;
      readonly last: LogEnd;
      readonly term: number;
    }
  | {
      readonly kind: 'vote-received';
      readonly type: 'vote-response' | 'pre-vote-response';
      readonly from: number;
      readonly granted: boolean;
      readonly term: number;
    }
  | {
      readonly kind: 'votes-counted';
      readonly type: 'vote-response' | 'pre-vote-response';
      readonly granted: number;
      readonly rejected: number;
    }
  | {
      readonly kind: 'vote-answered';
      readonly answer: 'cast' | 'rejected' | 'ignored';
      readonly type: 'vote' | 'pre-vote';
      readonly from: number;
      readonly candidate: LogEnd;
      readonly last: LogEnd;
      readonly vote: number;
      readonly term: number;
      /** For `ignored`: ticks until a leader that was heard is no longer protected. */
      readonly leaseTicks: number;
    }
  | { readonly kind: 'timeout-now'; readonly from: number; readonly term: number; readonly role: Role }
  | { readonly kind: 'leader-forgotten'; readonly leader: number; readonly term: number }
  | { readonly kind: 'forget-refused' };

export type TermEvent =
  | {
      readonly kind: 'higher-term' | 'lower-term';
      readonly type: MessageType | 'storage-append-response';
      readonly from: number;
      readonly messageTerm: number;
      readonly term: number;
    }
  | { readonly kind: 'stale-write'; readonly messageTerm: number; readonly term: number };

export type LogEvent =
  | {
      readonly kind: 'started';
      readonly peers: readonly number[];
      readonly term: number;
      readonly commit: number;
      readonly applied: number;
      readonly last: LogEnd;
    }
  | { readonly kind: 'conflict'; readonly index: number; readonly ownTerm: number; readonly term: number }
  | { readonly kind: 'unstable-replaced'; readonly from: number; readonly isAll: boolean }
  | { readonly kind: 'stable-entry-unknown'; readonly index: number; readonly isSnapshot: boolean }
  | { readonly kind: 'stable-entry-replaced'; readonly index: number; readonly term: number; readonly ownTerm: number }
  | {
      readonly kind: 'append-rejected';
      readonly from: number;
      readonly prev: LogEnd;
      readonly ownTerm: number;
    }
  | {
      readonly kind: 'snapshot-restoring';
      readonly snapshot: LogEnd;
      readonly commit: number;
      readonly applied: number;
      readonly applying: number;
      readonly unstable: { readonly offset: number; readonly inProgressEnd: number; readonly count: number };
    }
  | {
      readonly kind: 'snapshot-restored' | 'snapshot-fast-forwarded';
      readonly snapshot: LogEnd;
      readonly commit: number;
      readonly last: LogEnd;
    }
  | {
      readonly kind: 'snapshot-answered';
      readonly restored: boolean;
      readonly snapshot: LogEnd;
      readonly commit: number;
    };

export type LeaderEvent =
  | { readonly kind: 'quorum-inactive' }
  | {
      readonly kind: 'proposal-dropped';
      readonly reason: ProposalRefusal;
      readonly leader: number;
      readonly term: number;
    }
  | {
      readonly kind: 'conf-change-ignored';
      readonly change: MembershipChange;
      readonly membership: Membership;
      readonly reason: string;
    }
  | { readonly kind: 'membership'; readonly membership: Membership }
  | { readonly kind: 'auto-leave'; readonly membership: Membership; readonly refused: string | undefined }
  | { readonly kind: 'sender-unknown'; readonly from: number }
  | {
      readonly kind: 'append-refused';
      readonly from: number;
      readonly hint: LogEnd;
      readonly index: number;
    }
  | {
      readonly kind:
        | 'progress-decreased'
        | 'snapshot-recovered'
        | 'snapshot-paused'
        | 'snapshot-succeeded'
        | 'snapshot-failed'
        | 'unreachable';
      readonly to: number;
      readonly progress: Progress;
    }
  | { readonly kind: 'snapshot-not-sent'; readonly to: number }
  | {
      readonly kind: 'snapshot-sent';
      readonly to: number;
      readonly firstIndex: number;
      readonly commit: number;
      readonly snapshot: LogEnd;
      readonly progress: Progress;
    }
  | {
      readonly kind: 'transfer';
      readonly step:
        | 'learner'
        | 'same'
        | 'abort-previous'
        | 'self'
        | 'start'
        | 'timeout-now'
        | 'caught-up'
        | 'no-leader';
      readonly to: number;
      readonly term: number;
    }
  | { readonly kind: 'read-dropped'; readonly term: number };

export type ProposalRefusal = 'no-leader' | 'not-forwarded' | 'not-a-member' | 'transferring' | 'too-much-uncommitted';

export type TraceEvent = ElectionEvent | TermEvent | LogEvent | LeaderEvent;

export type Trace = (event: TraceEvent) => void;
