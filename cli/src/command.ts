/**
 * The shape of a command module. `defineCommand` ties the type of the flag values to the flag table and then forgets it,
 * so that the dispatcher, the help and the completion handle all commands alike.
 */
import type { AnyFlag, FlagValues } from './args/flag.js';
import { type FlagLookup, type Parsed, parseArguments } from './args/parse.js';
import type { Context } from './context.js';
import { CommandError, errorText, UsageError } from './exit.js';

export interface Arity {
  readonly min: number;
  readonly max: number;
}

export const noArguments: Arity = { min: 0, max: 0 };
export const exactly = (n: number): Arity => ({ min: n, max: n });
export const atLeast = (n: number): Arity => ({ min: n, max: Number.POSITIVE_INFINITY });
export const between = (min: number, max: number): Arity => ({ min, max });

/** What completion offers for the arguments. */
export type ArgumentKind =
  | 'node'
  | 'service'
  | 'container'
  | 'image'
  | 'volume'
  | 'network'
  | 'secret'
  | 'config'
  | 'none';

export interface CommandDefinition<F> {
  /** The arguments as the usage line shows them, after "[OPTIONS]". */
  readonly synopsis: string;
  readonly flags: F;
  readonly arity: Arity;
  readonly completes?: ArgumentKind;
  /** False: flags end at the first argument. */
  readonly interspersed?: boolean;
  /** Without any flag there is nothing to do: it shows its help then, as Docker's does. */
  readonly needsFlag?: boolean;
  run(ctx: Context, flags: FlagValues<F>, args: readonly string[], given: ReadonlySet<string>): Promise<void>;
}

export interface Command {
  readonly synopsis: string;
  readonly flags: FlagLookup;
  readonly arity: Arity;
  readonly completes: ArgumentKind;
  readonly interspersed: boolean;
  readonly needsFlag: boolean;
  run(ctx: Context, parsed: Parsed): Promise<void>;
}

export function defineCommand<const F extends object>(d: CommandDefinition<F>): Command {
  // Object.entries of the table are flags by construction; the values that the parser fills in have their types.
  const flags = d.flags as Readonly<Record<string, AnyFlag>>;
  return {
    synopsis: d.synopsis,
    flags,
    arity: d.arity,
    completes: d.completes ?? 'none',
    interspersed: d.interspersed ?? true,
    needsFlag: d.needsFlag ?? false,
    run: (ctx, p) => d.run(ctx, p.values as FlagValues<F>, p.args, p.given),
  };
}

/** Parses the words after the command's path; every complaint names the command. */
export function parseFor(command: Command, path: string, summary: string, argv: readonly string[]): Parsed {
  let parsed: Parsed;
  try {
    parsed = parseArguments(command.flags, argv, { interspersed: command.interspersed });
  } catch (e) {
    throw new UsageError(errorText(e), path);
  }
  if (!parsed.help) checkArity(command, path, summary, parsed.args.length);
  return parsed;
}

function checkArity(command: Command, path: string, summary: string, count: number): void {
  const { min, max } = command.arity;
  if (count >= min && count <= max) return;
  const s = (n: number) => `${n} argument${n === 1 ? '' : 's'}`;
  let wants: string;
  if (max === 0) wants = 'accepts no arguments';
  else if (min === max) wants = `requires exactly ${s(min)}`;
  else if (max === Number.POSITIVE_INFINITY) wants = `requires at least ${s(min)}`;
  else wants = count < min ? `requires at least ${s(min)}` : `requires at most ${s(max)}`;
  throw new CommandError(
    `"${path}" ${wants}.\nSee '${path} --help'.\n\nUsage:  ${usageLine(command, path)}\n\n${summary}`,
  );
}

export function usageLine(command: Command, path: string): string {
  const options = Object.keys(command.flags).length > 0 ? ' [OPTIONS]' : '';
  return `${path}${options}${command.synopsis === '' ? '' : ` ${command.synopsis}`}`;
}
