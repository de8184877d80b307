/** A Dockerfile as build stages: which there are, what they start from, and which of them a build goes through. Pure. */
import { SwarmtsError } from '@swarmts/lib';
import type { Instruction, ParsedDockerfile } from './dockerfile.js';
import { expandWord, splitWords } from './shell-words.js';

export interface Stage {
  readonly from: Instruction;
  /** Image, or name of an earlier stage; "scratch" for nothing. */
  readonly base: string;
  /** "os/arch", '' for the node's. */
  readonly platform: string;
  /** Lower case, '' without one. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

export interface StagePlan {
  /** ARG in front of the first FROM. */
  readonly metaArgs: readonly Instruction[];
  /** Their values. */
  readonly metaValues: ReadonlyMap<string, string>;
  readonly stages: readonly Stage[];
  /** What the build counts: every instruction of the stages that it goes through. */
  readonly stepCount: number;
}

export function planStages(
  file: ParsedDockerfile,
  options: { readonly buildArgs: ReadonlyMap<string, string | undefined>; readonly target: string },
): StagePlan {
  const firstFrom = file.instructions.findIndex((i) => i.keyword === 'FROM');
  const metaArgs = file.instructions.slice(0, Math.max(0, firstFrom));
  if (firstFrom < 0 || metaArgs.some((i) => i.keyword !== 'ARG')) throw bad('no build stage in current context');
  const metaValues = new Map<string, string>();
  for (const i of metaArgs) {
    for (const [name, value] of declaredArgs(i, metaValues, file.escapeChar)) {
      const given = options.buildArgs.get(name) ?? value;
      if (given !== undefined) metaValues.set(name, given);
    }
  }
  const all = stagesOf(file.instructions.slice(firstFrom), metaValues, file.escapeChar);
  const stages = all.slice(0, targetIndex(all, options.target) + 1);
  const stepCount = metaArgs.length + stages.reduce((n, s) => n + 1 + s.instructions.length, 0);
  return { metaArgs, metaValues, stages, stepCount };
}

/** `--label` is an instruction at the end of the last stage. */
export function withLabels(plan: StagePlan, labels: Readonly<Record<string, string>>): StagePlan {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const last = plan.stages.at(-1);
  if (pairs.length === 0 || !last) return plan;
  const text = pairs.map(([k, v]) => `${k}=${v}`).join(' ');
  const label = { keyword: 'LABEL', flags: new Map(), text, pairs, original: `LABEL ${text}`, line: 0 };
  const stages = [...plan.stages.slice(0, -1), { ...last, instructions: [...last.instructions, label] }];
  return { ...plan, stages, stepCount: plan.stepCount + 1 };
}

/** Names and defaults of an ARG instruction. */
export function declaredArgs(
  i: Instruction,
  variables: ReadonlyMap<string, string>,
  escapeChar: string,
): [string, string | undefined][] {
  return splitWords(i.text, escapeChar).map((word) => {
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    if (!/^[A-Za-z_]\w*$/.test(name)) throw bad(`ARG names can not be blank or have other characters: "${word}"`);
    return [name, at < 0 ? undefined : expandWord(word.slice(at + 1), variables, escapeChar)];
  });
}

/** The index of the stage that a name or a number stands for, -1 for none. Only the stages before `limit` count. */
export function stageIndex(stages: readonly Stage[], ref: string, limit = stages.length): number {
  const before = stages.slice(0, limit);
  const byName = before.findIndex((s) => s.name !== '' && s.name === ref.toLowerCase());
  if (byName >= 0) return byName;
  return /^\d+$/.test(ref) && Number(ref) < before.length ? Number(ref) : -1;
}

function stagesOf(instructions: readonly Instruction[], metaValues: ReadonlyMap<string, string>, escapeChar: string) {
  const stages: { from: Instruction; base: string; platform: string; name: string; instructions: Instruction[] }[] = [];
  for (const i of instructions) {
    if (i.keyword !== 'FROM') {
      stages.at(-1)?.instructions.push(i);
      continue;
    }
    const words = i.text.split(/\s+/);
    if (words.length !== 1 && (words.length !== 3 || words[1]?.toLowerCase() !== 'as')) {
      throw bad('FROM requires either one or three arguments');
    }
    const base = expandWord(words[0] ?? '', metaValues, escapeChar);
    if (base === '') throw bad(`base name (${words[0]}) should not be blank`);
    const name = (words[2] ?? '').toLowerCase();
    if (name !== '' && !/^[a-z][a-z0-9-_.]*$/.test(name)) {
      throw bad(`invalid name for build stage: "${words[2]}", name can't start with a number or contain symbols`);
    }
    if (name !== '' && stages.some((s) => s.name === name)) throw bad(`${name} stage name already used`);
    const platform = expandWord(i.flags.get('platform') ?? '', metaValues, escapeChar);
    stages.push({ from: i, base, platform, name, instructions: [] });
  }
  return stages;
}

function targetIndex(stages: readonly Stage[], target: string): number {
  if (target === '') return stages.length - 1;
  const index = stageIndex(stages, target);
  if (index < 0) throw bad(`failed to reach build target ${target} in Dockerfile`);
  return index;
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
