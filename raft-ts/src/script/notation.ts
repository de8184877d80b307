// How etcd writes what Raft is made of: entries, messages, batches, progress, memberships. Everything that a script's
// expected output contains besides log lines is written here, character by character as etcd writes it.
import { decodeMembershipChange } from '../codec/conf-change-codec.js';
import type { Membership } from '../core/membership.js';
import type { Ready } from '../core/ready.js';
import type { Message, StorageAppend, StorageApply, StorageResponse } from '../message.js';
import {
  type ConfChangeStep,
  type ConfChangeType,
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  NOBODY,
  type ProgressState,
  type ProgressStatus,
  type Role,
  type Snapshot,
} from '../types.js';

/** Everything that goes in or out of a core, also what never leaves the machine. */
export type AnyMessage = Message | StorageAppend | StorageApply | StorageResponse;

export const MESSAGE_NAMES: Readonly<Record<AnyMessage['type'], string>> = {
  append: 'MsgApp',
  'append-response': 'MsgAppResp',
  vote: 'MsgVote',
  'vote-response': 'MsgVoteResp',
  'pre-vote': 'MsgPreVote',
  'pre-vote-response': 'MsgPreVoteResp',
  heartbeat: 'MsgHeartbeat',
  'heartbeat-response': 'MsgHeartbeatResp',
  snap: 'MsgSnap',
  propose: 'MsgProp',
  'read-index': 'MsgReadIndex',
  'read-index-response': 'MsgReadIndexResp',
  'transfer-leader': 'MsgTransferLeader',
  'timeout-now': 'MsgTimeoutNow',
  'storage-append': 'MsgStorageAppend',
  'storage-append-response': 'MsgStorageAppendResp',
  'storage-apply': 'MsgStorageApply',
  'storage-apply-response': 'MsgStorageApplyResp',
};

export const ROLE_NAMES: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
  'pre-candidate': 'StatePreCandidate',
};

const PROGRESS_NAMES: Readonly<Record<ProgressState, string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

const ENTRY_NAMES: Readonly<Record<EntryType, string>> = {
  normal: 'EntryNormal',
  conf: 'EntryConfChange',
  'conf-v2': 'EntryConfChangeV2',
};

/** The letter that stands for a kind of change in scripts. */
export const STEP_LETTERS: Readonly<Record<ConfChangeType, string>> = {
  'add-voter': 'v',
  'add-learner': 'l',
  remove: 'r',
  update: 'u',
};

export const hex = (id: number): string => id.toString(16);

const GO_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** As Go's %q writes bytes. */
export function quote(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  const isText = Buffer.compare(Buffer.from(text), bytes) === 0;
  const quoted = [...(isText ? text : Buffer.from(bytes).toString('latin1'))].map((char) => {
    const code = char.codePointAt(0) ?? 0;
    const isPrintable = isText ? code >= 0x20 && code !== 0x7f : code >= 0x20 && code < 0x7f;
    return GO_ESCAPES[char] ?? (isPrintable ? char : `\\x${code.toString(16).padStart(2, '0')}`);
  });
  return `"${quoted.join('')}"`;
}

export function describeSteps(steps: readonly ConfChangeStep[]): string {
  return steps.map(({ type, id }) => `${STEP_LETTERS[type]}${id}`).join(' ');
}

export function describeEntry(entry: Entry): string {
  const change = decodeMembershipChange(entry);
  const content = change === undefined ? quote(entry.data) : describeSteps(change.steps);
  return `${entry.term}/${entry.index} ${ENTRY_NAMES[entry.type]}${content === '' ? '' : ` ${content}`}`;
}

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join('');
}

function describeConfState(state: ConfState): string {
  const list = (ids: readonly number[] = []): string => `[${ids.join(' ')}]`;
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} ` +
    `LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave ?? false}`
  );
}

function describeSnapshot({ metadata }: Snapshot): string {
  return `Index:${metadata.index} Term:${metadata.term} ConfState:${describeConfState(metadata.confState)}`;
}

function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === NOBODY ? '' : ` Vote:${vote}`} Commit:${commit}`;
}

export function describeIds(ids: Iterable<number>): string {
  return `(${[...ids]
    .sort((a, b) => a - b)
    .map(hex)
    .join(' ')})`;
}

export function describeMembership(membership: Membership): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  return [
    `voters=${describeIds(voters)}${outgoing.size > 0 ? `&&${describeIds(outgoing)}` : ''}`,
    learners.size > 0 ? ` learners=${describeIds(learners)}` : '',
    learnersNext.size > 0 ? ` learners_next=${describeIds(learnersNext)}` : '',
    autoLeave ? ' autoleave' : '',
  ].join('');
}

export function describeProgress(progress: ProgressStatus): string {
  const { inflight } = progress;
  return [
    `${PROGRESS_NAMES[progress.state]} match=${progress.match} next=${progress.next}`,
    progress.isLearner ? ' learner' : '',
    progress.isPaused ? ' paused' : '',
    progress.pendingSnapshot > 0 ? ` pendingSnap=${progress.pendingSnapshot}` : '',
    progress.recentActive ? '' : ' inactive',
    inflight > 0 ? ` inflight=${inflight}${progress.inflightFull ? '[full]' : ''}` : '',
  ].join('');
}

/** One line per member, by ascending id. */
export function describeProgressOf(members: ReadonlyMap<number, ProgressStatus>): string {
  const sorted = [...members].sort(([a], [b]) => a - b);
  return sorted.map(([id, progress]) => `${id}: ${describeProgress(progress)}\n`).join('');
}

/** A message in the fields that etcd has for every kind of message. */
interface Fields {
  readonly from: string;
  readonly to: string;
  readonly term: number;
  readonly logTerm?: number;
  readonly index?: number;
  readonly rejectHint?: number | undefined;
  readonly commit?: number;
  readonly vote?: number;
  readonly entries?: readonly Entry[];
  readonly snapshot?: Snapshot | undefined;
  readonly responses?: readonly AnyMessage[];
}

const asEntry = (data: Uint8Array): Entry => ({ term: 0, index: 0, type: 'normal', data });

function fieldsOf(message: AnyMessage): Fields {
  switch (message.type) {
    case 'storage-append': {
      const { term, vote, commit } = message.hardState ?? { term: 0, vote: 0, commit: 0 };
      const { entries, snapshot, responses } = message;
      return { from: hex(message.from), to: 'AppendThread', term, vote, commit, entries, snapshot, responses };
    }
    case 'storage-append-response': {
      const { term, logTerm, index, snapshot } = message;
      return { from: 'AppendThread', to: hex(message.to), term, logTerm, index, snapshot };
    }
    case 'storage-apply': {
      const { entries, responses } = message;
      return { from: hex(message.from), to: 'ApplyThread', term: 0, entries, responses };
    }
    case 'storage-apply-response':
      return { from: 'ApplyThread', to: hex(message.to), term: 0, entries: message.entries };
    default:
      return { from: hex(message.from), to: hex(message.to), term: message.term, ...networkFieldsOf(message) };
  }
}

function networkFieldsOf(message: Message): Partial<Fields> {
  switch (message.type) {
    case 'append': {
      const { prevTerm: logTerm, prevIndex: index, commit, entries } = message;
      return { logTerm, index, commit, entries };
    }
    case 'append-response': {
      const { hintTerm: logTerm, index, hintIndex } = message;
      return { logTerm, index, rejectHint: message.reject ? hintIndex : undefined };
    }
    case 'vote':
    case 'pre-vote':
      return { logTerm: message.lastTerm, index: message.lastIndex };
    case 'vote-response':
    case 'pre-vote-response':
      return { rejectHint: message.reject ? 0 : undefined };
    case 'heartbeat':
      return { commit: message.commit };
    case 'snap':
      return { snapshot: message.snapshot };
    case 'propose':
      return { entries: message.entries };
    case 'read-index':
      return { entries: [asEntry(message.context)] };
    case 'read-index-response':
      return { index: message.index, entries: [asEntry(message.context)] };
    case 'transfer-leader':
      return { from: hex(message.transferee) };
    case 'heartbeat-response':
    case 'timeout-now':
      return {};
  }
}

export function describeMessage(message: AnyMessage, indent = ''): string {
  const fields = fieldsOf(message);
  const parts = [
    `${indent}${fields.from}->${fields.to} ${MESSAGE_NAMES[message.type]} `,
    `Term:${fields.term} Log:${fields.logTerm ?? 0}/${fields.index ?? 0}`,
  ];
  if (fields.rejectHint !== undefined) parts.push(` Rejected (Hint: ${fields.rejectHint})`);
  if (fields.commit) parts.push(` Commit:${fields.commit}`);
  if (fields.vote) parts.push(` Vote:${fields.vote}`);
  parts.push(describeMessageEntries(fields.entries ?? [], indent));
  if (fields.snapshot !== undefined) parts.push(`\n${indent}  Snapshot: ${describeSnapshot(fields.snapshot)}`);
  if (fields.responses !== undefined && fields.responses.length > 0) {
    const responses = fields.responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    parts.push(` Responses:[${responses.join('')}\n${indent}]`);
  }
  return parts.join('');
}

function describeMessageEntries(entries: readonly Entry[], indent: string): string {
  const [first] = entries;
  if (first === undefined) return '';
  if (entries.length === 1) return ` Entries:[${describeEntry(first)}]`;
  return ` Entries:[${entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`).join('')}\n${indent}]`;
}

/** `mustSync` as etcd counts it: a snapshot alone does not ask for one. */
export function describeReady(ready: Ready, mustSync: boolean): string {
  const messages: AnyMessage[] = [...ready.messages];
  if (ready.storageAppend !== undefined) messages.push(ready.storageAppend);
  if (ready.storageApply !== undefined) messages.push(ready.storageApply);
  const parts: string[] = [];
  const { softState, hardState, readStates, entries, snapshot, committedEntries } = ready;
  if (softState !== undefined) parts.push(`Lead:${softState.leader} State:${ROLE_NAMES[softState.role]}\n`);
  if (hardState !== undefined) parts.push(`HardState ${describeHardState(hardState)}\n`);
  if (readStates.length > 0) {
    const reads = readStates.map(({ index, context }) => `{${index} [${[...context].join(' ')}]}`);
    parts.push(`ReadStates [${reads.join(' ')}]\n`);
  }
  if (entries.length > 0) parts.push(`Entries:\n${describeEntries(entries)}`);
  if (snapshot !== undefined) parts.push(`Snapshot ${describeSnapshot(snapshot)}\n`);
  if (committedEntries.length > 0) parts.push(`CommittedEntries:\n${describeEntries(committedEntries)}`);
  if (messages.length > 0) parts.push(`Messages:\n${messages.map((each) => `${describeMessage(each)}\n`).join('')}`);
  return parts.length === 0 ? '<empty Ready>' : `Ready MustSync=${mustSync}:\n${parts.join('')}`;
}
