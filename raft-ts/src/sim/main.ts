#!/usr/bin/env node
// raft-sim --seeds N [--seed S] [--bug NAME]: simulates N groups, the first with seed S. A failure prints its seed and
// settings, and the command that repeats it. Exit code 0: none failed; 1: some did; 2: the command line makes no sense.
// With --bug the mistake of that name is planted, and failures are what is hoped for: 0 if it was found, else 1.
import { simulateModel } from './model/model-simulation.js';
import { type BugName, isBugName, PLANTED_BUGS } from './model/planted-bugs.js';
import { settingsOfSeed } from './model/settings.js';

const DEFAULT_SEEDS = 200;
const PROGRESS_EVERY = 1000;
/** Failures printed in full. */
const MAX_SHOWN = 5;

interface CommandLine {
  readonly seeds: number;
  readonly first: number;
  readonly bug: BugName | undefined;
}

const USAGE = `usage: raft-sim [--seeds N] [--seed S] [--bug NAME]
bugs: ${Object.keys(PLANTED_BUGS).join(', ')}`;

/** In words what is wrong with the arguments, if anything. */
function parse(args: readonly string[]): CommandLine | string {
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at += 2) {
    const [name = '', value] = args.slice(at, at + 2);
    if (!['--seeds', '--seed', '--bug'].includes(name) || value === undefined) return `cannot read "${name}"`;
    values.set(name, value);
  }
  const [first, bug] = [Number(values.get('--seed') ?? 1), values.get('--bug')];
  // One seed alone is to be repeated, not to be the first of many.
  const seeds = Number(values.get('--seeds') ?? (values.has('--seed') ? 1 : DEFAULT_SEEDS));
  if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(first)) return 'seeds are whole numbers';
  if (bug !== undefined && !isBugName(bug)) return `there is no bug "${bug}"`;
  return { seeds, first, bug };
}

function simulateOne(seed: number, bug: BugName | undefined): { virtualMs: number; problem: Error | undefined } {
  try {
    return { virtualMs: simulateModel(seed, bug).virtualMs, problem: undefined };
  } catch (error) {
    return { virtualMs: 0, problem: error instanceof Error ? error : new Error(String(error)) };
  }
}

function report(seed: number, bug: BugName | undefined, problem: Error): void {
  console.log(`seed ${seed} failed: ${problem.name}: ${problem.message}`);
  console.log(`  settings: ${JSON.stringify(settingsOfSeed(seed))}`);
  console.log(`  repeat: npm run raft-sim -- --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`}`);
}

function run({ seeds, first, bug }: CommandLine): number {
  const startMs = performance.now();
  let failures = 0;
  let virtualMs = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const result = simulateOne(seed, bug);
    virtualMs += result.virtualMs;
    if (result.problem !== undefined) {
      failures += 1;
      if (failures <= MAX_SHOWN) report(seed, bug, result.problem);
    }
    const done = seed - first + 1;
    if (done % PROGRESS_EVERY === 0 && done < seeds) console.log(`${done} seeds, ${failures} failed`);
  }
  const elapsedMs = performance.now() - startMs;
  const speed = Math.round(virtualMs / elapsedMs);
  console.log(
    `${seeds} seeds from ${first}: ${failures} failed, ${Math.round(elapsedMs / seeds)} ms each, ${speed} x real time`,
  );
  if (bug === undefined) return failures === 0 ? 0 : 1;
  console.log(`${bug} (${PLANTED_BUGS[bug].summary}): ${failures > 0 ? 'found' : 'not found'}`);
  return failures > 0 ? 0 : 1;
}

const commandLine = parse(process.argv.slice(2));
if (typeof commandLine === 'string') {
  console.error(`${commandLine}\n${USAGE}`);
  process.exitCode = 2;
} else {
  process.exitCode = run(commandLine);
}
