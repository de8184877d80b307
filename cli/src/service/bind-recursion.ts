/** What becomes of mounts below a bind mount: "bind-recursive" of `--mount`, "bind.recursive" of a compose file. Pure. */
import type { Mount } from '../engine-types.js';

type BindOptions = NonNullable<Mount['BindOptions']>;

/** "enabled" is what is done without a word. */
const RECURSIONS: Readonly<Record<string, BindOptions>> = {
  enabled: {},
  disabled: { NonRecursive: true },
  writable: { ReadOnlyNonRecursive: true },
  readonly: { ReadOnlyForceRecursive: true },
};

/** `key` is what the user wrote the value behind. Throws for a word that there is not. */
export function bindRecursion(key: string, value: string): BindOptions {
  const found = Object.hasOwn(RECURSIONS, value) ? RECURSIONS[value] : undefined;
  if (found) return found;
  throw new Error(`invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`);
}

/** `words` is how the user writes an option that goes with it. Throws where one is missing. */
export function checkRecursion(
  bind: BindOptions,
  isReadOnly: boolean,
  words: { readonly recursive: string; readonly readOnly: string; readonly propagation: string },
): void {
  const needs = (value: string, what: string) =>
    new Error(`option '${words.recursive}${value}' requires '${what}' to be specified in conjunction`);
  if (bind.ReadOnlyNonRecursive && !isReadOnly) throw needs('writable', words.readOnly);
  if (!bind.ReadOnlyForceRecursive) return;
  if (!isReadOnly) throw needs('readonly', words.readOnly);
  if (bind.Propagation !== 'rprivate') throw needs('readonly', `${words.propagation}rprivate`);
}
