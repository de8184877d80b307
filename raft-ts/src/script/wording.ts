// The words in which etcd's Raft tells about its decisions: level and text of each event of the core. Only scripts need
// them; a program may word events as it likes.
import { asConfChangeV2 } from '../codec/conf-change-codec.js';
import type { TraceEvent } from '../core/trace.js';
import type { ConfChangeType, ConfTransition, MembershipChange } from '../types.js';
import { describeMembership, describeProgress, hex, MESSAGE_NAMES, quote, ROLE_NAMES } from './notation.js';

/** From the most to the least talkative; NONE silences everything, output included. */
export const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const;
export type Level = (typeof LEVELS)[number];

export interface Wording {
  readonly level: Level;
  readonly text: string;
}

type EventOf<K extends TraceEvent['kind']> = Extract<TraceEvent, { readonly kind: K }>;

const debug = (text: string): Wording => ({ level: 'DEBUG', text });
const info = (text: string): Wording => ({ level: 'INFO', text });
const warn = (text: string): Wording => ({ level: 'WARN', text });

/** `id` is the member that tells. */
export function wordingOf(id: number, event: TraceEvent): Wording | undefined {
  return (
    electionWording(hex(id), event) ??
    termWording(hex(id), event) ??
    logWording(hex(id), event) ??
    leaderWording(hex(id), event) ??
    progressWording(hex(id), event)
  );
}

function electionWording(self: string, event: TraceEvent): Wording | undefined {
  switch (event.kind) {
    case 'role':
      return info(`${self} became ${event.role} at term ${event.term}`);
    case 'campaign-refused':
      return refusedCampaign(self, event);
    case 'campaign':
      return info(`${self} is starting a new election at term ${event.term}`);
    case 'vote-requested': {
      const { type, to, last, term } = event;
      const request = `sent ${MESSAGE_NAMES[type]} request to ${hex(to)} at term ${term}`;
      return info(`${self} [logterm: ${last.term}, index: ${last.index}] ${request}`);
    }
    case 'vote-received': {
      const answer = `${MESSAGE_NAMES[event.type]}${event.granted ? '' : ' rejection'}`;
      return info(`${self} received ${answer} from ${hex(event.from)} at term ${event.term}`);
    }
    case 'votes-counted': {
      const { type, granted, rejected } = event;
      return info(`${self} has received ${granted} ${MESSAGE_NAMES[type]} votes and ${rejected} vote rejections`);
    }
    case 'vote-answered':
      return answeredVote(self, event);
    case 'timeout-now':
      return receivedTimeoutNow(self, event);
    case 'leader-forgotten':
      return info(`${self} forgetting leader ${hex(event.leader)} at term ${event.term}`);
    case 'forget-refused':
      return { level: 'ERROR', text: 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased' };
    default:
      return undefined;
  }
}

function refusedCampaign(self: string, event: EventOf<'campaign-refused'>): Wording {
  switch (event.reason) {
    case 'leading':
      return debug(`${self} ignoring MsgHup because already leader`);
    case 'unpromotable':
      return warn(`${self} is unpromotable and can not campaign`);
    case 'unapplied-change': {
      const reason = 'there are still pending configuration changes to apply';
      return warn(`${self} cannot campaign at term ${event.term} since ${reason}`);
    }
  }
}

function answeredVote(self: string, event: EventOf<'vote-answered'>): Wording {
  const { answer, type, from, candidate, last, vote, term, leaseTicks } = event;
  const own = `${self} [logterm: ${last.term}, index: ${last.index}, vote: ${hex(vote)}]`;
  const action = `${answer} ${MESSAGE_NAMES[type]} ${answer === 'cast' ? 'for' : 'from'} ${hex(from)}`;
  const place = `[logterm: ${candidate.term}, index: ${candidate.index}] at term ${term}`;
  const lease = answer === 'ignored' ? `: lease is not expired (remaining ticks: ${leaseTicks})` : '';
  return info(`${own} ${action} ${place}${lease}`);
}

function receivedTimeoutNow(self: string, event: EventOf<'timeout-now'>): Wording {
  const { from, term, role } = event;
  if (role !== 'follower') {
    return debug(`${self} [term ${term} state ${ROLE_NAMES[role]}] ignored MsgTimeoutNow from ${hex(from)}`);
  }
  const action = 'and starts an election to get leadership.';
  return info(`${self} [term ${term}] received MsgTimeoutNow from ${hex(from)} ${action}`);
}

function termWording(self: string, event: TraceEvent): Wording | undefined {
  switch (event.kind) {
    case 'higher-term':
    case 'lower-term': {
      const { kind, type, from, messageTerm, term } = event;
      const [verb, degree] = kind === 'higher-term' ? ['received', 'higher'] : ['ignored', 'lower'];
      const message = `a ${MESSAGE_NAMES[type]} message with ${degree} term from ${hex(from)} [term: ${messageTerm}]`;
      return info(`${self} [term: ${term}] ${verb} ${message}`);
    }
    case 'stale-write': {
      const message = `a MsgStorageAppendResp message with lower term [term: ${event.messageTerm}]`;
      return info(`${self} [term: ${event.term}] ignored entry appends from ${message}`);
    }
    default:
      return undefined;
  }
}

function logWording(self: string, event: TraceEvent): Wording | undefined {
  switch (event.kind) {
    case 'started': {
      const { peers, term, commit, applied, last } = event;
      const log = `lastindex: ${last.index}, lastterm: ${last.term}`;
      const state = `peers: [${peers.map(hex).join(',')}], term: ${term}, commit: ${commit}, applied: ${applied}`;
      return info(`newRaft ${self} [${state}, ${log}]`);
    }
    case 'conflict': {
      const terms = `existing term: ${event.ownTerm}, conflicting term: ${event.term}`;
      return info(`found conflict at index ${event.index} [${terms}]`);
    }
    case 'unstable-replaced': {
      const action = event.isAll ? 'replace the unstable entries from' : 'truncate the unstable entries before';
      return info(`${action} index ${event.from}`);
    }
    case 'stable-entry-unknown': {
      const what = event.isSnapshot ? 'matched unstable snapshot' : 'missing from unstable log';
      return info(`entry at index ${event.index} ${what}; ignoring`);
    }
    case 'stable-entry-replaced': {
      const { index, term, ownTerm } = event;
      const own = `entry at (${index},${ownTerm}) in unstable log`;
      return info(`entry at (index,term)=(${index},${term}) mismatched with ${own}; ignoring`);
    }
    case 'append-rejected': {
      const { prev, ownTerm, from } = event;
      const place = `[logterm: ${ownTerm}, index: ${prev.index}]`;
      return debug(`${self} ${place} rejected MsgApp [logterm: ${prev.term}, index: ${prev.index}] from ${hex(from)}`);
    }
    case 'snapshot-restoring': {
      const { snapshot, commit, applied, applying, unstable } = event;
      const log =
        `committed=${commit}, applied=${applied}, applying=${applying}, unstable.offset=${unstable.offset}, ` +
        `unstable.offsetInProgress=${unstable.inProgressEnd}, len(unstable.Entries)=${unstable.count}`;
      const place = `[index: ${snapshot.index}, term: ${snapshot.term}]`;
      return info(`log [${log}] starts to restore snapshot ${place}`);
    }
    case 'snapshot-restored':
    case 'snapshot-fast-forwarded': {
      const { kind, snapshot, commit, last } = event;
      const own = `[commit: ${commit}, lastindex: ${last.index}, lastterm: ${last.term}]`;
      const action = kind === 'snapshot-restored' ? 'restored' : 'fast-forwarded commit to';
      return info(`${self} ${own} ${action} snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`);
    }
    case 'snapshot-answered': {
      const { restored, snapshot, commit } = event;
      const place = `[index: ${snapshot.index}, term: ${snapshot.term}]`;
      return info(`${self} [commit: ${commit}] ${restored ? 'restored' : 'ignored'} snapshot ${place}`);
    }
    default:
      return undefined;
  }
}

function leaderWording(self: string, event: TraceEvent): Wording | undefined {
  switch (event.kind) {
    case 'quorum-inactive':
      return warn(`${self} stepped down to follower since quorum is not active`);
    case 'proposal-dropped':
      return droppedProposal(self, event);
    case 'conf-change-ignored': {
      const { change, membership, reason } = event;
      const config = `at config ${describeMembership(membership)}`;
      return info(`${self} ignoring conf change ${describeChange(change)} ${config}: ${reason}`);
    }
    case 'membership':
      return info(`${self} switched to configuration ${describeMembership(event.membership)}`);
    case 'auto-leave': {
      const transition = `automatic transition out of joint configuration ${describeMembership(event.membership)}`;
      if (event.refused === undefined) return info(`initiating ${transition}`);
      return debug(`not initiating ${transition}: raft proposal dropped`);
    }
    case 'sender-unknown':
      return debug(`${self} no progress available for ${hex(event.from)}`);
    case 'append-refused': {
      const { from, hint, index } = event;
      const rejection = `MsgAppResp(rejected, hint: (index ${hint.index}, term ${hint.term}))`;
      return debug(`${self} received ${rejection} from ${hex(from)} for index ${index}`);
    }
    case 'snapshot-not-sent':
      return debug(`ignore sending snapshot to ${hex(event.to)} since it is not recently active`);
    case 'snapshot-sent': {
      const { to, firstIndex, commit, snapshot, progress } = event;
      const what = `sent snapshot[index: ${snapshot.index}, term: ${snapshot.term}]`;
      const own = `${self} [firstindex: ${firstIndex}, commit: ${commit}]`;
      return debug(`${own} ${what} to ${hex(to)} [${describeProgress(progress.status())}]`);
    }
    case 'transfer':
      return transferWording(self, event);
    case 'read-dropped':
      return info(`${self} no leader at term ${event.term}; dropping index reading msg`);
    default:
      return undefined;
  }
}

function progressWording(self: string, event: TraceEvent): Wording | undefined {
  if (!('progress' in event)) return undefined;
  const { kind, progress } = event;
  const state = `[${describeProgress(progress.status())}]`;
  const to = hex(event.to);
  const resumed = `resumed sending replication messages to ${to} ${state}`;
  switch (kind) {
    case 'progress-decreased':
      return debug(`${self} decreased progress of ${to} to ${state}`);
    case 'snapshot-recovered':
      return debug(`${self} recovered from needing snapshot, ${resumed}`);
    case 'snapshot-paused':
      return debug(`${self} paused sending replication messages to ${to} ${state}`);
    case 'snapshot-succeeded':
      return debug(`${self} snapshot succeeded, ${resumed}`);
    case 'snapshot-failed':
      return debug(`${self} snapshot failed, ${resumed}`);
    case 'unreachable':
      return debug(`${self} failed to send message to ${to} because it is unreachable ${state}`);
    default:
      return undefined;
  }
}

function droppedProposal(self: string, event: EventOf<'proposal-dropped'>): Wording | undefined {
  const { reason, leader, term } = event;
  switch (reason) {
    case 'no-leader':
      return info(`${self} no leader at term ${term}; dropping proposal`);
    case 'not-forwarded':
      return info(`${self} not forwarding to leader ${hex(leader)} at term ${term}; dropping proposal`);
    case 'transferring': {
      const transfer = `transfer leadership to ${hex(leader)} is in progress`;
      return debug(`${self} [term ${term}] ${transfer}; dropping proposal`);
    }
    case 'too-much-uncommitted': {
      const reasonText = 'appending new entries to log would exceed uncommitted entry size limit';
      return warn(`${self} ${reasonText}; dropping proposal`);
    }
    case 'not-a-member':
      return undefined;
  }
}

function transferWording(self: string, event: EventOf<'transfer'>): Wording {
  const to = hex(event.to);
  const own = `${self} [term ${event.term}]`;
  switch (event.step) {
    case 'learner':
      return debug(`${self} is learner. Ignored transferring leadership`);
    case 'same':
      return info(`${own} transfer leadership to ${to} is in progress, ignores request to same node ${to}`);
    case 'abort-previous':
      return info(`${own} abort previous transferring leadership to ${to}`);
    case 'self':
      return debug(`${self} is already leader. Ignored transferring leadership to self`);
    case 'start':
      return info(`${own} starts to transfer leadership to ${to}`);
    case 'timeout-now':
      return info(`${self} sends MsgTimeoutNow to ${to} immediately as ${to} already has up-to-date log`);
    case 'caught-up':
      return info(`${self} sent MsgTimeoutNow to ${to} after received MsgAppResp`);
    case 'no-leader':
      return info(`${self} no leader at term ${event.term}; dropping leader transfer msg`);
  }
}

const TRANSITION_NAMES: Readonly<Record<ConfTransition, string>> = {
  auto: 'ConfChangeTransitionAuto',
  implicit: 'ConfChangeTransitionJointImplicit',
  explicit: 'ConfChangeTransitionJointExplicit',
};

const STEP_NAMES: Readonly<Record<ConfChangeType, string>> = {
  'add-voter': 'ConfChangeAddNode',
  'add-learner': 'ConfChangeAddLearnerNode',
  remove: 'ConfChangeRemoveNode',
  update: 'ConfChangeUpdateNode',
};

function describeChange(change: MembershipChange): string {
  const { transition, steps, context } = asConfChangeV2(change);
  const changes = steps.map(({ type, id }) => ` changes:{type:${STEP_NAMES[type]} node_id:${id}}`);
  const suffix = context.length > 0 ? ` context:${quote(context)}` : '';
  return `transition:${TRANSITION_NAMES[transition]}${changes.join('')}${suffix}`;
}
