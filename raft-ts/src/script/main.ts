#!/usr/bin/env node
// raft-scripts DIR [--rewrite]: runs every script in a directory. Exit code 0: all as expected; 1: messages, entries or
// states differ; 2: a file or the command line cannot be read; 3: only the wording of log lines differs.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError } from './data-driven.js';
import { type Outcome, rewritten, runScript, type ScriptResult } from './run-script.js';

const USAGE = 'usage: raft-scripts DIR-OR-FILE... [--rewrite]';

/** All files below `path`, sorted; hidden ones and an editor's copies are no scripts. */
function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !name.startsWith('.') && !name.startsWith('#') && !name.endsWith('~'))
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}

function printOutcome({ directive, actual, agreement }: Outcome): void {
  const what = agreement === 'wording' ? 'the wording differs' : 'messages, entries or states differ';
  const indent = (text: string): string => text.replaceAll(/^/gm, '    ').trimEnd();
  console.log(`  ${directive.place.file}:${directive.place.line}: ${directive.command}: ${what}`);
  console.log(`  expected:\n${indent(directive.expected)}\n  actual:\n${indent(actual)}`);
}

function report(file: string, result: ScriptResult): void {
  const count = result.outcomes.length;
  if (result.agreement === 'same') {
    console.log(`ok    ${file} (${count} commands)`);
    return;
  }
  console.log(`${result.agreement === 'wording' ? 'WORDS' : 'FAIL '} ${file}`);
  for (const outcome of result.outcomes) if (outcome.agreement !== 'same') printOutcome(outcome);
}

/** Runs one file; undefined if it cannot be run. */
function runFile(file: string): ScriptResult | undefined {
  try {
    return runScript(file, readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    console.log(`ERROR ${error.message}`);
    return undefined;
  }
}

function runAll(files: readonly string[], rewrite: boolean): number {
  const counts = { same: 0, wording: 0, different: 0, unreadable: 0 };
  for (const file of files) {
    const result = runFile(file);
    if (result !== undefined && rewrite) writeFileSync(file, rewritten(result));
    if (result === undefined) counts.unreadable += 1;
    else if (rewrite) console.log(`${result.agreement === 'same' ? 'kept ' : 'wrote'} ${file}`);
    else report(file, result);
    if (result !== undefined) counts[rewrite ? 'same' : result.agreement] += 1;
  }
  const { same, wording, different, unreadable } = counts;
  console.log(
    `${files.length} files: ${same} as expected, ${different} with other messages, entries or states, ` +
      `${wording} with other wording only, ${unreadable} unreadable`,
  );
  if (unreadable > 0 || files.length === 0) return 2;
  if (different > 0) return 1;
  return wording > 0 ? 3 : 0;
}

function main(args: readonly string[]): number {
  const paths = args.filter((arg) => !arg.startsWith('--'));
  const unknown = args.filter((arg) => arg.startsWith('--') && arg !== '--rewrite');
  if (paths.length === 0 || unknown.length > 0) {
    console.error(unknown.length > 0 ? `unknown option ${unknown.join(' ')}\n${USAGE}` : USAGE);
    return 2;
  }
  try {
    return runAll(paths.flatMap(filesIn), args.includes('--rewrite'));
  } catch (error) {
    // What cannot be found or opened.
    if (!(error instanceof Error && 'code' in error)) throw error;
    console.error(`raft-scripts: ${error.message}`);
    return 2;
  }
}

process.exitCode = main(process.argv.slice(2));
