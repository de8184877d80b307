// Running a script and comparing what it prints with what it expects. Lines of the log (a level and a sentence) are
// told apart from everything else: a difference in wording is not a difference in what Raft does.
import { CONF_CHANGE_COMMANDS, confChangeRunner } from './conf-change-commands.js';
import { type Directive, formatScript, normalizeOutput, parseScript, type Script, ScriptError } from './data-driven.js';
import { INTERACTION_COMMANDS, interactionRunner } from './interaction-commands.js';
import { QUORUM_COMMANDS, quorumRunner } from './quorum-commands.js';
import { LEVELS } from './wording.js';

export type Agreement = 'same' | 'wording' | 'different';

export interface Outcome {
  readonly directive: Directive;
  readonly actual: string;
  readonly agreement: Agreement;
}

export interface ScriptResult {
  readonly script: Script;
  readonly outcomes: readonly Outcome[];
  /** The worst of its directives. */
  readonly agreement: Agreement;
}

/** The kind of a script is that of its first command. */
function runnerFor(script: Script): (directive: Directive) => string {
  const [first] = script.directives;
  if (first === undefined) throw new ScriptError({ file: script.file, line: 1 }, 'there is no command in this file');
  if (QUORUM_COMMANDS.has(first.command)) return quorumRunner();
  if (CONF_CHANGE_COMMANDS.has(first.command)) return confChangeRunner();
  if (INTERACTION_COMMANDS.has(first.command)) return interactionRunner();
  throw new ScriptError(first.place, `unknown command "${first.command}"`);
}

const LOG_LINE = new RegExp(`^\\s*(?:${LEVELS.filter((level) => level !== 'NONE').join('|')}) `);

function withoutLog(output: string): string {
  return output
    .split('\n')
    .filter((line) => !LOG_LINE.test(line))
    .join('\n');
}

export function compareOutput(expected: string, actual: string): Agreement {
  if (expected === actual) return 'same';
  return withoutLog(expected) === withoutLog(actual) ? 'wording' : 'different';
}

function worst(agreements: readonly Agreement[]): Agreement {
  if (agreements.includes('different')) return 'different';
  return agreements.includes('wording') ? 'wording' : 'same';
}

/** Throws a ScriptError, which names file and line, for a file that cannot be run. */
export function runScript(file: string, text: string): ScriptResult {
  const script = parseScript(file, text);
  const run = runnerFor(script);
  const outcomes = script.directives.map((directive): Outcome => {
    const actual = normalizeOutput(runOne(run, directive));
    return { directive, actual, agreement: compareOutput(directive.expected, actual) };
  });
  return { script, outcomes, agreement: worst(outcomes.map(({ agreement }) => agreement)) };
}

function runOne(run: (directive: Directive) => string, directive: Directive): string {
  try {
    return run(directive);
  } catch (cause) {
    if (cause instanceof ScriptError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ScriptError(directive.place, `${directive.command}: ${reason}`, { cause });
  }
}

/** The script with what it printed as what it expects. */
export function rewritten({ script, outcomes }: ScriptResult): string {
  return formatScript(
    script,
    outcomes.map(({ actual }) => actual),
  );
}
