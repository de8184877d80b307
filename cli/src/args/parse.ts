/**
 * The argument parser, with pflag's conventions: long and short flags, `--flag=value`, combined shorts, `--`, and flags
 * between the arguments unless the command stops at its first argument. It knows no command and prints nothing.
 */
import { CommandError, errorText } from '../exit.js';
import type { AnyFlag } from './flag.js';

export interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  readonly help: boolean;
}

export type FlagLookup = Readonly<Record<string, AnyFlag>>;

export interface ParseOptions {
  /** False: everything after the first argument is an argument, flags included. */
  readonly interspersed: boolean;
}

export function parseArguments(flags: FlagLookup, argv: readonly string[], options: ParseOptions): Parsed {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) values[name] = flag.initial;
  const given = new Set<string>();
  const args: string[] = [];
  const shorts = new Map(Object.entries(flags).flatMap(([n, f]) => (f.short ? [[f.short, n] as const] : [])));
  let help = false;
  let i = 0;

  const set = (name: string, flag: AnyFlag, value: string): void => {
    try {
      values[name] = flag.parse(value, values[name]);
    } catch (e) {
      const shown = flag.short ? `-${flag.short}, --${name}` : `--${name}`;
      throw new CommandError(`invalid argument ${JSON.stringify(value)} for "${shown}" flag: ${errorText(e)}`);
    }
    given.add(name);
  };

  const long = (word: string): void => {
    const eq = word.indexOf('=');
    const name = word.slice(2, eq < 0 ? undefined : eq);
    if (name === '' || name.startsWith('-')) throw new CommandError(`bad flag syntax: ${word}`);
    const flag = own(flags, name);
    if (!flag) {
      if (name !== 'help') throw new CommandError(`unknown flag: --${name}`);
      help = true;
      return;
    }
    if (eq >= 0) {
      set(name, flag, word.slice(eq + 1));
      return;
    }
    if (flag.alone !== undefined) {
      set(name, flag, flag.alone);
      return;
    }
    const next = argv[i];
    if (next === undefined) throw new CommandError(`flag needs an argument: --${name}`);
    i++;
    set(name, flag, next);
  };

  /** `-abc`, `-n5`, `-n=5`, `-n 5`. */
  const short = (word: string): void => {
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const name = shorts.get(letter);
      const flag = name === undefined ? undefined : flags[name];
      if (name === undefined || flag === undefined) {
        if (letter !== 'h') throw new CommandError(`unknown shorthand flag: '${letter}' in ${word}`);
        help = true;
        return;
      }
      const rest = word.slice(at + 1);
      if (rest.startsWith('=')) {
        set(name, flag, rest.slice(1));
        return;
      }
      if (flag.alone !== undefined) {
        set(name, flag, flag.alone);
        continue;
      }
      if (rest !== '') {
        set(name, flag, rest);
        return;
      }
      const next = argv[i];
      if (next === undefined) throw new CommandError(`flag needs an argument: '${letter}' in ${word}`);
      i++;
      set(name, flag, next);
      return;
    }
  };

  while (i < argv.length && !help) {
    const word = argv[i++] ?? '';
    if (word === '--') {
      args.push(...argv.slice(i));
      break;
    }
    if (word.startsWith('--')) long(word);
    else if (word.startsWith('-') && word !== '-') short(word);
    else if (options.interspersed) args.push(word);
    else {
      args.push(word, ...argv.slice(i));
      break;
    }
  }
  return { values, given, args, help };
}

function own(flags: FlagLookup, name: string): AnyFlag | undefined {
  return Object.hasOwn(flags, name) ? flags[name] : undefined;
}
