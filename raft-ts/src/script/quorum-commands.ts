// The commands of quorum scripts: `committed` and `vote` compute what voters have decided, for one set of voters or two
// at once, and print how each voter stands. Results that must not depend on the way of computing are computed in
// several ways; those that differ are printed.
import { committedIndex, majorityOf, type VoteResult, type VoterSets, voteResult } from '../core/quorum.js';
import { asNumber, fail } from './arguments.js';
import { type Directive, ScriptError } from './data-driven.js';
import { hex } from './notation.js';

export const QUORUM_COMMANDS: ReadonlySet<string> = new Set(['committed', 'vote']);

type Known = ReadonlyMap<number, number>;

interface Case {
  readonly ids: readonly number[];
  /** Undefined unless the case is of two sets. */
  readonly idsJoint: readonly number[] | undefined;
  /** Per voter in the order of the two lists, 0 for nothing known: indexes, or votes (1 against, 2 for). */
  readonly inputs: readonly number[];
}

const VOTES: Readonly<Record<string, number>> = { y: 2, n: 1, _: 0 };

function parseCase(directive: Directive): Case {
  const ids: number[] = [];
  let idsJoint: number[] | undefined;
  const indexes: number[] = [];
  const votes: number[] = [];
  for (const { key, values } of directive.args) {
    if (key === 'cfgj') idsJoint ??= [];
    for (const value of values) {
      switch (key) {
        case 'cfg':
          ids.push(asNumber(directive, value, key));
          break;
        case 'cfgj':
          if (value !== 'zero') idsJoint?.push(asNumber(directive, value, key));
          else if (values.length > 1) fail(directive, "cannot mix 'zero' into configuration");
          break;
        case 'idx':
          if (value === '0') fail(directive, 'cannot use 0 as idx');
          indexes.push(value === '_' ? 0 : asNumber(directive, value, key));
          break;
        case 'votes':
          votes.push(VOTES[value] ?? fail(directive, `unknown vote: ${value}`));
          break;
        default:
          fail(directive, `unknown arg ${key}`);
      }
    }
  }
  return { ids, idsJoint, inputs: directive.command === 'vote' ? votes : indexes };
}

function votersOf({ ids, idsJoint = [] }: Case): readonly number[] {
  return [...new Set([...ids, ...idsJoint])];
}

function knownOf(parsed: Case): Known {
  const known = new Map<number, number>();
  for (const [at, id] of votersOf(parsed).entries()) {
    const input = parsed.inputs[at] ?? 0;
    if (input > 0) known.set(id, input);
  }
  return known;
}

const indexText = (index: number): string => (Number.isFinite(index) ? `${index}` : '∞');

const committedOf = (sets: VoterSets, known: Known): number => committedIndex(sets, (id) => known.get(id));

/** The voters by id, each with a bar as long as the number of voters that are behind it. */
function describeVoters(ids: readonly number[], known: Known): string {
  if (ids.length === 0) return '<empty majority quorum>';
  const indexOf = (id: number): number => known.get(id) ?? 0;
  const lines = [...ids]
    .sort((a, b) => a - b)
    .map((id) => {
      const bar = ids.filter((other) => indexOf(other) < indexOf(id)).length;
      const shown = known.has(id) ? `${'x'.repeat(bar)}>${' '.repeat(ids.length - bar)}` : `?${' '.repeat(ids.length)}`;
      return `${shown} ${`${indexOf(id)}`.padStart(5)}    (id=${hex(id)})\n`;
    });
  return `${' '.repeat(ids.length)}    idx\n${lines.join('')}`;
}

/** By counting, for each index, the voters that hold it. */
function committedByCounting(ids: readonly number[], known: Known): number {
  if (ids.length === 0) return Number.POSITIVE_INFINITY;
  const holders = (index: number): number => ids.filter((id) => (known.get(id) ?? 0) >= index).length;
  return Math.max(0, ...[...known.values()].filter((index) => holders(index) >= majorityOf(ids.length)));
}

/** Ways to compute the same once more that came out differently. */
function committedDoubts({ ids }: Case, known: Known, index: number): string[] {
  const voters = new Set(ids);
  const doubts: string[] = [];
  const check = (other: number, how: string): void => {
    if (other !== index) doubts.push(`${indexText(other)} <-- ${how}`);
  };
  check(committedByCounting(ids, known), 'via alternative computation\n');
  check(committedOf([voters, new Set()], known), 'via zero-joint quorum\n');
  check(committedOf([voters, voters], known), 'via self-joint quorum\n');
  for (const id of ids) {
    const own = known.get(id) ?? 0;
    if (own === 0 || index <= own) continue;
    // Who is behind what is committed could be further behind without changing that.
    check(committedOf([voters], new Map(known).set(id, own - 1)), `overlaying ${id}->${own}`);
    check(committedOf([voters], new Map(known).set(id, 0)), `overlaying ${id}->0`);
  }
  return doubts;
}

function runCommitted(parsed: Case): string {
  const known = knownOf(parsed);
  const [first, second] = [new Set(parsed.ids), new Set(parsed.idsJoint)];
  if (parsed.idsJoint === undefined) {
    const index = committedOf([first], known);
    const doubts = committedDoubts(parsed, known, index);
    return `${describeVoters(parsed.ids, known)}${doubts.join('')}${indexText(index)}\n`;
  }
  const index = committedOf([first, second], known);
  const swapped = committedOf([second, first], known);
  const doubt = swapped === index ? '' : `${indexText(swapped)} <-- via symmetry\n`;
  return `${describeVoters(votersOf(parsed), known)}${doubt}${indexText(index)}\n`;
}

const VOTE_NAMES: Readonly<Record<VoteResult, string>> = { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' };

function runVote(parsed: Case): string {
  const known = knownOf(parsed);
  const voteOf = (id: number): boolean | undefined => {
    const vote = known.get(id);
    return vote === undefined ? undefined : vote !== VOTES.n;
  };
  const sets = [new Set(parsed.ids), new Set(parsed.idsJoint)];
  const result = voteResult(parsed.idsJoint === undefined ? sets.slice(0, 1) : sets, voteOf);
  const swapped = parsed.idsJoint === undefined ? result : voteResult(sets.toReversed(), voteOf);
  const doubt = swapped === result ? '' : `${VOTE_NAMES[swapped]} <-- via symmetry\n`;
  return `${doubt}${VOTE_NAMES[result]}\n`;
}

export function quorumRunner(): (directive: Directive) => string {
  return (directive) => {
    if (!QUORUM_COMMANDS.has(directive.command)) {
      throw new ScriptError(directive.place, `unknown command "${directive.command}"`);
    }
    const parsed = parseCase(directive);
    const voters = votersOf(parsed).toSorted((a, b) => a - b);
    if (voters.length !== parsed.inputs.length) {
      return `error: mismatched input (explicit or _) for voters [${voters.join(' ')}]: [${parsed.inputs.join(' ')}]`;
    }
    return directive.command === 'vote' ? runVote(parsed) : runCommitted(parsed);
  };
}
