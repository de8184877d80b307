// Reading the arguments of a directive: what is missing or no number is an error at the directive's place.
import { type Directive, ScriptError } from './data-driven.js';

export function fail(directive: Directive, problem: string): never {
  throw new ScriptError(directive.place, `${directive.command}: ${problem}`);
}

export function asNumber(directive: Directive, text: string | undefined, what: string): number {
  if (text === undefined) fail(directive, `${what} is missing`);
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) fail(directive, `${what} "${text}" is not a number`);
  return value;
}

export function asBoolean(directive: Directive, text: string, what: string): boolean {
  if (text !== 'true' && text !== 'false') fail(directive, `${what} "${text}" is neither true nor false`);
  return text === 'true';
}

/** The keys of the arguments without a value, in order. */
export function plainArguments(directive: Directive): string[] {
  return directive.args.flatMap(({ key, values }) => (values.length === 0 ? [key] : []));
}

/** The values of the arguments `key=...`, in order. */
export function valuesOf(directive: Directive, key: string): string[] {
  return directive.args.flatMap((argument) => (argument.key === key ? argument.values : []));
}
