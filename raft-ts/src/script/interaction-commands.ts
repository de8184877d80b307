// The commands of interaction scripts. What Raft refuses is output; what the script itself does wrong is a ScriptError.

import type { RaftOptions } from '../core/options.js';
import { RaftError } from '../errors.js';
import { type ConfTransition, type MembershipChange, NO_DATA, type Snapshot } from '../types.js';
import { asBoolean, asNumber, fail, plainArguments, valuesOf } from './arguments.js';
import { type Argument, type Directive, ScriptError } from './data-driven.js';
import { Interaction, Refusal } from './interaction.js';
import { describeEntries, describeMessage, describeProgressOf, MESSAGE_NAMES, ROLE_NAMES } from './notation.js';
import { type ScriptMember, StorageRefusal } from './script-member.js';
import { parseSteps } from './steps.js';
import { LEVELS, type Level } from './wording.js';

type Command = (env: Interaction, directive: Directive) => void;

/** As the directive says which nodes are meant, by numbers; all of them must exist. */
function membersOf(env: Interaction, directive: Directive): ScriptMember[] {
  return plainArguments(directive).map((text) => memberOf(env, directive, text));
}

function memberOf(env: Interaction, directive: Directive, text: string | undefined): ScriptMember {
  const id = asNumber(directive, text, 'node');
  return env.members[id - 1] ?? fail(directive, `there is no node ${id}`);
}

function firstMember(env: Interaction, directive: Directive): ScriptMember {
  return memberOf(env, directive, directive.args[0]?.key);
}

const ELECTION_TICKS = 3;
const HEARTBEAT_TICKS = 1;

type Changeable<T> = { -readonly [K in keyof T]: T[K] };
type MemberOptions = Changeable<Omit<RaftOptions, 'storage' | 'id' | 'trace'>>;

/** No limits, and everything off that can be switched on. */
const defaultOptions = (): MemberOptions => ({
  electionTicks: ELECTION_TICKS,
  heartbeatTicks: HEARTBEAT_TICKS,
  random: () => 0,
  maxAppendBytes: Number.POSITIVE_INFINITY,
  maxInflight: 2 ** 31 - 1,
  maxUncommittedBytes: Number.POSITIVE_INFINITY,
  maxApplyBytes: Number.POSITIVE_INFINITY,
  preVote: false,
  checkQuorum: false,
  stepDownOnRemoval: false,
});

function setOption(directive: Directive, options: MemberOptions, { key, values }: Argument): void {
  const [value = ''] = values;
  const flag = (): boolean => asBoolean(directive, value, key);
  const number = (): number => asNumber(directive, value, key);
  switch (key) {
    case 'inflight':
      options.maxInflight = number();
      break;
    case 'inflight-bytes':
      options.maxInflightBytes = number();
      break;
    case 'max-append-bytes':
      options.maxAppendBytes = number();
      break;
    case 'max-uncommitted-bytes':
      options.maxUncommittedBytes = number();
      break;
    case 'max-committed-size-per-ready':
      options.maxApplyBytes = number();
      break;
    case 'async-storage-writes':
      options.asyncStorageWrites = flag();
      break;
    case 'prevote':
      options.preVote = flag();
      break;
    case 'checkquorum':
      options.checkQuorum = flag();
      break;
    case 'disable-conf-change-validation':
      options.disableConfChangeValidation = flag();
      break;
    case 'disable-proposal-forwarding':
      options.disableProposalForwarding = flag();
      break;
    case 'step-down-on-removal':
      options.stepDownOnRemoval = flag();
      break;
    case 'read-only':
      if (value !== 'safe' && value !== 'lease-based') throw new Refusal(`invalid read-only option "${value}"`);
      options.reads = value === 'safe' ? 'safe' : 'lease';
      break;
    default:
      fail(directive, `unknown argument "${key}"`);
  }
}

const SNAPSHOT_KEYS: ReadonlySet<string> = new Set(['voters', 'learners', 'index', 'content']);

const addNodes: Command = (env, directive) => {
  const count = asNumber(directive, directive.args[0]?.key, 'number of nodes');
  const options = defaultOptions();
  for (const argument of directive.args.slice(1)) {
    if (!SNAPSHOT_KEYS.has(argument.key)) setOption(directive, options, argument);
  }
  const ids = (key: string): number[] => valuesOf(directive, key).map((text) => asNumber(directive, text, key));
  const [index = 0] = ids('index');
  const [voters, learners, content] = [ids('voters'), ids('learners'), valuesOf(directive, 'content')[0]];
  const isBootstrapped = index > 0 || voters.length > 0 || learners.length > 0 || content !== undefined;
  // A log whose first entry could be asked for does not go together with a snapshot.
  if (isBootstrapped && index <= 1) throw new Refusal('index must be specified as > 1 due to bootstrap');
  const confState = { voters, learners };
  const snapshot: Snapshot = {
    metadata: { index, term: isBootstrapped ? 1 : 0, confState },
    data: Buffer.from(content ?? ''),
  };
  for (let left = count; left > 0; left -= 1) env.addMember({ ...options, applied: index }, snapshot);
};

const campaign: Command = (env, directive) => firstMember(env, directive).core.campaign();

const raftLog: Command = (env, directive) => {
  const { storage } = firstMember(env, directive);
  const [first, last] = [storage.firstIndex(), storage.lastIndex()];
  if (last < first) env.output.write(`log is empty: first index=${first}, last index=${last}`);
  else env.output.write(describeEntries(storage.entries(first, last + 1, Number.POSITIVE_INFINITY)));
};

const compact: Command = (env, directive) => {
  const index = asNumber(directive, directive.args[1]?.key, 'index');
  firstMember(env, directive).storage.compact(index);
  raftLog(env, directive);
};

const deliverMessages: Command = (env, directive) => {
  const [typeName] = valuesOf(directive, 'type');
  if (typeName !== undefined && !Object.values(MESSAGE_NAMES).includes(typeName)) {
    fail(directive, `unknown message type ${typeName}`);
  }
  const recipients = new Map<number, boolean>();
  for (const text of plainArguments(directive)) recipients.set(asNumber(directive, text, 'node'), false);
  for (const text of valuesOf(directive, 'drop')) {
    const id = asNumber(directive, text, 'node');
    if (recipients.get(id) === false) fail(directive, `can't both deliver and drop msgs to ${id}`);
    recipients.set(id, true);
  }
  let count = 0;
  for (const [id, drop] of recipients) {
    if (!drop && env.members[id - 1] === undefined) fail(directive, `there is no node ${id}`);
    count += env.deliver(id, { drop, typeName });
  }
  if (count === 0) env.output.write('no messages\n');
};

/** One member's work goes by itself; that of several under a heading each. */
function forEachMember(what: string, work: (env: Interaction, member: ScriptMember) => void): Command {
  return (env, directive) => {
    const members = membersOf(env, directive);
    for (const member of members) {
      if (members.length === 1) {
        work(env, member);
        continue;
      }
      env.output.line(`> ${member.id} ${what}`);
      env.output.indented(() => work(env, member));
    }
  };
}

const levelOf = (name: string | undefined): Level => {
  const level = LEVELS.find((each) => each === name?.toUpperCase());
  if (level === undefined) throw new Refusal(`log levels must be either of [${LEVELS.join(' ')}]`);
  return level;
};

const stabilize: Command = (env, directive) => {
  const before = env.output.level;
  const [level] = valuesOf(directive, 'log-level');
  try {
    if (level !== undefined) env.output.level = levelOf(level);
    const members = membersOf(env, directive);
    env.stabilize(members.length > 0 ? members : env.members);
  } finally {
    env.output.level = before;
  }
};

const raftState: Command = (env) => {
  for (const { core } of env.members) {
    const { id, role, term, leader, voters, votersOutgoing = [] } = core.status();
    const isVoter = voters.includes(id) || votersOutgoing.includes(id);
    const membership = isVoter ? '(Voter)' : '(Non-Voter)';
    env.output.line(`${id}: ${ROLE_NAMES[role]} ${membership} Term:${term} Lead:${leader}`);
  }
};

const status: Command = (env, directive) => {
  const { progress } = firstMember(env, directive).core.status();
  if (progress !== undefined) env.output.write(describeProgressOf(progress));
};

const setElectionTimeout: Command = (env, directive) => {
  const timeout = asNumber(directive, valuesOf(directive, 'timeout')[0], 'timeout');
  if (timeout === 0) fail(directive, 'the timeout must not be zero');
  firstMember(env, directive).core.setElectionTimeout(timeout);
};

function tick(ticks: number): Command {
  return (env, directive) => {
    const { core } = firstMember(env, directive);
    for (let left = ticks; left > 0; left -= 1) core.tick();
  };
}

const transferLeadership: Command = (env, directive) => {
  const from = memberOf(env, directive, valuesOf(directive, 'from')[0]);
  const to = memberOf(env, directive, valuesOf(directive, 'to')[0]);
  from.core.transferLeadership(to.id);
};

const sendSnapshot: Command = (env, directive) => {
  const [from, to] = membersOf(env, directive);
  if (from === undefined || to === undefined) fail(directive, 'two nodes are needed');
  const { term } = from.core.status();
  const message = { type: 'snap', from: from.id, to: to.id, term, snapshot: from.newest } as const;
  env.post(message);
  env.output.write(describeMessage(message));
};

const propose: Command = (env, directive) => {
  const [, content] = plainArguments(directive);
  if (content === undefined || directive.args.length !== 2) fail(directive, 'a node and what to propose are needed');
  firstMember(env, directive).core.propose([Buffer.from(content)]);
};

const TRANSITIONS: readonly ConfTransition[] = ['auto', 'implicit', 'explicit'];

/** As etcd's own proposals: what must not be proposed now enters the log as an empty entry. */
const proposeConfChange: Command = (env, directive) => {
  const member = firstMember(env, directive);
  for (const { key } of directive.args.slice(1)) {
    if (key !== 'v1' && key !== 'transition') throw new Refusal(`unknown command ${key}`);
  }
  const [name = 'auto'] = valuesOf(directive, 'transition');
  const transition = TRANSITIONS.find((each) => each === name);
  if (transition === undefined) throw new Refusal(`unknown transition ${name}`);
  const isV1 = valuesOf(directive, 'v1').some((text) => asBoolean(directive, text, 'v1'));
  const steps = parseSteps(directive.input);
  if (typeof steps === 'string') throw new Refusal(steps);
  let change: MembershipChange = { transition, steps, context: NO_DATA };
  if (isV1) {
    const [step] = steps;
    if (step === undefined || steps.length > 1 || transition !== 'auto') {
      throw new Refusal('v1 conf change can only have one operation and no transition');
    }
    change = { ...step, context: NO_DATA };
  }
  member.core.proposeConfChangeOrNothing(change);
};

const reportUnreachable: Command = (env, directive) => {
  const [reporter, reported] = membersOf(env, directive);
  if (reporter === undefined || reported === undefined || directive.args.length !== 2) {
    throw new Refusal('must specify exactly two node indexes: node on which to report, and reported node');
  }
  reporter.core.reportUnreachable(reported.id);
};

/** Not among etcd's commands: asks for a linearizable read point. */
const readIndex: Command = (env, directive) => {
  const [, context] = plainArguments(directive);
  if (context === undefined) fail(directive, 'a context is needed');
  if (!firstMember(env, directive).core.readIndex(Buffer.from(context))) throw new Refusal('no leader');
};

/** Not among etcd's commands: the transport's report about a snapshot. */
const reportSnapshot: Command = (env, directive) => {
  const [, reported] = plainArguments(directive);
  const ok = asBoolean(directive, valuesOf(directive, 'ok')[0] ?? '', 'ok');
  firstMember(env, directive).core.reportSnapshot(asNumber(directive, reported, 'node'), ok);
};

const COMMANDS: Readonly<Record<string, Command>> = {
  _breakpoint: () => undefined,
  'add-nodes': addNodes,
  campaign,
  compact,
  'deliver-msgs': deliverMessages,
  'process-ready': forEachMember('handling Ready', (env, member) => env.processReady(member)),
  'process-append-thread': forEachMember('processing append thread', (env, member) => env.processAppend(member)),
  'process-apply-thread': forEachMember('processing apply thread', (env, member) => env.processApply(member)),
  'log-level': (env, directive) => {
    env.output.level = levelOf(directive.args[0]?.key);
  },
  'raft-log': raftLog,
  'raft-state': raftState,
  'set-randomized-election-timeout': setElectionTimeout,
  stabilize,
  status,
  'tick-election': tick(ELECTION_TICKS),
  'tick-heartbeat': tick(HEARTBEAT_TICKS),
  'transfer-leadership': transferLeadership,
  'forget-leader': (env, directive) => firstMember(env, directive).core.forgetLeader(),
  'send-snapshot': sendSnapshot,
  propose,
  'propose-conf-change': proposeConfChange,
  'report-unreachable': reportUnreachable,
  'read-index': readIndex,
  'report-snapshot': reportSnapshot,
};

export const INTERACTION_COMMANDS: ReadonlySet<string> = new Set(Object.keys(COMMANDS));

/** Runs the commands of one file, one after the other; each returns what it printed. */
export function interactionRunner(): (directive: Directive) => string {
  const env = new Interaction();
  return (directive) => {
    const command = COMMANDS[directive.command];
    if (command === undefined) throw new ScriptError(directive.place, `unknown command "${directive.command}"`);
    env.output.clear();
    const refusal = refusalOf(() => command(env, directive));
    if (refusal !== undefined && env.output.isQuiet) return refusal;
    const printed = env.output.text + (refusal ?? '');
    return printed === '' ? 'ok' : printed;
  };
}

/** What Raft, its storage or a command's rules said against it. */
function refusalOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof RaftError && error.code === 'dropped') return 'raft proposal dropped';
    if (error instanceof Refusal || error instanceof StorageRefusal) return error.message;
    throw error;
  }
}
