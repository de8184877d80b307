/**
 * Instructions that change nothing but an image's configuration, as pure functions from one configuration to the next. Build
 * uses them, and `--change` of commit and import.
 */
import { posix } from 'node:path';
import { messageOf, parseDurationNs, SwarmtsError, signalNumber } from '@swarmts/lib';
import type { ImageConfig } from '../images/image-api.js';
import type { Instruction } from './dockerfile.js';
import { expandWord, nameValues, splitWords, type Variables } from './shell-words.js';

export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

export interface ConfigState {
  readonly config: ImageConfig;
  readonly author: string;
  /** CMD was given in this stage: a later ENTRYPOINT keeps it. */
  readonly cmdSet: boolean;
}

export interface ConfigStep {
  readonly state: ConfigState;
  /** What the history says, such as "ENV A=b". */
  readonly comment: string;
}

export interface ConfigContext {
  readonly variables: Variables;
  readonly escapeChar: string;
}

type Handler = (i: Instruction, s: ConfigState, c: ConfigContext) => ConfigStep;

const HANDLERS: Readonly<Record<string, Handler>> = {
  ENV: env,
  LABEL: label,
  CMD: cmd,
  ENTRYPOINT: entrypoint,
  EXPOSE: expose,
  VOLUME: volume,
  USER: (i, s, c) => {
    const user = oneArgument(i, c);
    return step(s, { User: user }, `USER ${user}`);
  },
  WORKDIR: (i, s, c) => {
    const given = oneArgument(i, c);
    // Docker keeps an absolute one as it is.
    const path = given.startsWith('/') ? given : workingDir(s.config.WorkingDir ?? '/', given);
    return step(s, { WorkingDir: path }, `WORKDIR ${path}`);
  },
  STOPSIGNAL: (i, s, c) => {
    const signal = oneArgument(i, c);
    signalNumber(signal);
    return step(s, { StopSignal: signal }, `STOPSIGNAL ${signal}`);
  },
  SHELL: (i, s) => {
    const shell = jsonList(i.text);
    if (!shell || shell.length === 0) throw bad(`SHELL requires the arguments to be in JSON form`);
    return step(s, { Shell: shell }, `SHELL ${plainList(shell)}`);
  },
  ONBUILD: onBuild,
  HEALTHCHECK: healthcheck,
  MAINTAINER: (i, s) => ({ state: { ...s, author: i.text }, comment: `MAINTAINER ${i.text}` }),
};

export function changesConfigOnly(keyword: string): boolean {
  return Object.hasOwn(HANDLERS, keyword);
}

export function applyConfigInstruction(i: Instruction, state: ConfigState, context: ConfigContext): ConfigStep {
  const handler = HANDLERS[i.keyword];
  if (!handler) throw bad(`${i.keyword} is not a valid change command`);
  return handler(i, state, context);
}

/** The environment of a configuration as variables. */
export function variablesOf(config: ImageConfig): Map<string, string> {
  return new Map((config.Env ?? []).map((e) => [nameOf(e), e.slice(nameOf(e).length + 1)]));
}

/** A path as the next instruction sees it. */
export function workingDir(base: string, path: string): string {
  return posix.normalize(path.startsWith('/') ? path : posix.join('/', base, path)).replace(/(.)\/$/, '$1');
}

/** The words of the exec form, undefined when the text is no list of strings. */
export function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : undefined;
  } catch {
    // Not JSON: the shell form.
    return undefined;
  }
}

/** The command line of RUN, CMD and ENTRYPOINT. */
export function commandLine(text: string, config: ImageConfig): string[] {
  return jsonList(text) ?? (text === '' ? [] : [...(config.Shell ?? DEFAULT_SHELL), text]);
}

/** Names as in Docker's history: `["a" "b"]`. */
function listText(words: readonly string[]): string {
  return `[${words.map((w) => JSON.stringify(w)).join(' ')}]`;
}

function plainList(words: readonly string[]): string {
  return `[${words.join(' ')}]`;
}

function step(s: ConfigState, change: Partial<ImageConfig>, comment: string): ConfigStep {
  return { state: { ...s, config: { ...s.config, ...change } }, comment };
}

function env(i: Instruction, s: ConfigState, c: ConfigContext): ConfigStep {
  const out = [...(s.config.Env ?? [])];
  const said: string[] = [];
  // All values of one instruction see the environment before it.
  for (const [name, raw] of expandedPairs(i, c)) {
    if (name === '') throw bad('ENV names can not be blank');
    const text = `${name}=${raw}`;
    said.push(text);
    const at = out.findIndex((e) => nameOf(e) === name);
    if (at >= 0) out[at] = text;
    else out.push(text);
  }
  return step(s, { Env: out }, `ENV ${said.join(' ')}`);
}

function label(i: Instruction, s: ConfigState, c: ConfigContext): ConfigStep {
  const pairs = i.pairs ?? expandedPairs(i, c);
  if (pairs.some(([name]) => name === '')) throw bad('LABEL names can not be blank');
  const comment = `LABEL ${pairs.map(([k, v]) => `${k}=${v}`).join(' ')}`;
  return step(s, { Labels: { ...s.config.Labels, ...Object.fromEntries(pairs) } }, comment);
}

function expandedPairs(i: Instruction, c: ConfigContext): [string, string][] {
  return nameValues(i.text, i.keyword, c.escapeChar).map(([k, v]) => [
    expandWord(k, c.variables, c.escapeChar),
    expandWord(v, c.variables, c.escapeChar),
  ]);
}

function cmd(i: Instruction, s: ConfigState): ConfigStep {
  const words = commandLine(i.text, s.config);
  const { state, comment } = step(s, { Cmd: words }, `CMD ${listText(words)}`);
  return { state: { ...state, cmdSet: true }, comment };
}

/** A command of the base image belongs to the base image's entrypoint. */
function entrypoint(i: Instruction, s: ConfigState): ConfigStep {
  const words = commandLine(i.text, s.config);
  const { Cmd: _inherited, ...rest } = s.config;
  const config = { ...(s.cmdSet ? s.config : rest), Entrypoint: words };
  return { state: { ...s, config }, comment: `ENTRYPOINT ${listText(words)}` };
}

function expose(i: Instruction, s: ConfigState, c: ConfigContext): ConfigStep {
  const expanded = splitWords(i.text, c.escapeChar).map((w) => expandWord(w, c.variables, c.escapeChar));
  // A variable may hold several.
  const words = expanded.flatMap((w) => w.split(/\s+/).filter((part) => part !== ''));
  const all = [...Object.keys(s.config.ExposedPorts ?? {}), ...words.flatMap(portsOf)];
  // In one order, so that another one makes no other image.
  const ports = Object.fromEntries(all.sort().map((p) => [p, {}]));
  return step(s, { ExposedPorts: ports }, `EXPOSE ${words.toSorted().join(' ')}`);
}

/** "80", "53/udp" or "8000-8010/tcp"; an address in front means nothing here. */
function portsOf(text: string): string[] {
  const m = /^(?:.*:)?(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  const protocol = (m?.[3] ?? 'tcp').toLowerCase();
  if (!m || from > to || to > 65535) throw bad(`Invalid containerPort: ${text}`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw bad(`invalid proto: ${protocol}`);
  return Array.from({ length: to - from + 1 }, (_, n) => `${from + n}/${protocol}`);
}

function volume(i: Instruction, s: ConfigState, c: ConfigContext): ConfigStep {
  const words = (jsonList(i.text) ?? splitWords(i.text, c.escapeChar)).map((w) =>
    expandWord(w, c.variables, c.escapeChar).trim(),
  );
  if (words.length === 0 || words.includes('')) throw bad('VOLUME specified can not be an empty string');
  const added = Object.fromEntries(words.map((w) => [w, {}]));
  return step(s, { Volumes: { ...s.config.Volumes, ...added } }, `VOLUME ${plainList(words)}`);
}

function onBuild(i: Instruction, s: ConfigState): ConfigStep {
  const trigger = /^\S+/.exec(i.text)?.[0]?.toUpperCase() ?? '';
  if (trigger === 'ONBUILD') throw bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'FROM' || trigger === 'MAINTAINER') throw bad(`${trigger} isn't allowed as an ONBUILD trigger`);
  return step(s, { OnBuild: [...(s.config.OnBuild ?? []), i.text] }, `ONBUILD ${i.text}`);
}

const NS_PER_MS = 1e6;

function healthcheck(i: Instruction, s: ConfigState): ConfigStep {
  const m = /^(\S+)\s*([\s\S]*)$/.exec(i.text);
  const kind = (m?.[1] ?? '').toUpperCase();
  const rest = m?.[2] ?? '';
  if (kind === 'NONE') {
    if (rest !== '') throw bad('HEALTHCHECK NONE takes no arguments');
    return step(s, { Healthcheck: { Test: ['NONE'] } }, 'HEALTHCHECK NONE');
  }
  if (kind !== 'CMD') throw bad(`Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
  if (rest === '') throw bad('Missing command after HEALTHCHECK CMD');
  const words = jsonList(rest);
  const Test = words ? ['CMD', ...words] : ['CMD-SHELL', rest];
  const health = {
    Test,
    ...duration(i, 'interval', 'Interval'),
    ...duration(i, 'timeout', 'Timeout'),
    ...duration(i, 'start-period', 'StartPeriod'),
    ...duration(i, 'start-interval', 'StartInterval'),
    ...retries(i),
  };
  return step(s, { Healthcheck: health }, `HEALTHCHECK ${JSON.stringify(health)}`);
}

function duration<K extends string>(i: Instruction, flag: string, key: K): { [P in K]?: number } {
  const text = i.flags.get(flag);
  if (text === undefined || text === '') return {};
  const ns = durationNs(text, flag);
  if (ns !== 0 && ns < NS_PER_MS) throw bad(`Interval "${flag}" cannot be less than 1ms`);
  // The computed key makes the literal's type too wide for the compiler to follow.
  return { [key]: ns } as { [P in K]?: number };
}

function durationNs(text: string, flag: string): number {
  try {
    return parseDurationNs(text);
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `--${flag}: ${messageOf(e)}`, { cause: e });
  }
}

function retries(i: Instruction): { Retries?: number } {
  const text = i.flags.get('retries');
  if (text === undefined || text === '') return {};
  if (!/^\d+$/.test(text)) throw bad(`--retries must be at least 1 (not ${text})`);
  return { Retries: Number(text) };
}

function oneArgument(i: Instruction, c: ConfigContext): string {
  const text = expandWord(i.text, c.variables, c.escapeChar);
  if (text === '') throw bad(`${i.keyword} requires exactly one argument`);
  return text;
}

function nameOf(variable: string): string {
  return variable.split('=', 1)[0] ?? '';
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
