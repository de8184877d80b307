/** What `service create` and `service update` have in common: changes to a spec. Create is a change to an empty one. */
import type { FlagValues } from '../args/flag.js';
import type { ConfigReference, CredentialSpec, SecretReference } from '../engine-types.js';
import type { ListName, ServiceLists, sharedFlags } from './flags.js';

type Lists = FlagValues<ServiceLists>;
export type Scalars = FlagValues<typeof sharedFlags>;

/** Lists to add to and keys to remove; secrets, configs and networks are already looked up. */
export interface Edits {
  /** With the id of its config instead of the name. */
  readonly credentialSpec?: { readonly spec: CredentialSpec; readonly config?: ConfigReference } | undefined;
  readonly scalars: Scalars;
  readonly add: Omit<Lists, 'secret' | 'config'> & {
    readonly secret: readonly SecretReference[];
    readonly config: readonly ConfigReference[];
  };
  readonly remove: Readonly<Record<ListName, readonly string[]>>;
}

/** Without those whose key is removed or added again, then the new ones. */
export function editList<T>(
  old: readonly T[] | undefined,
  add: readonly T[],
  remove: readonly string[],
  key: (item: T) => string,
): T[] {
  const gone = new Set([...remove, ...add.map(key)]);
  return [...(old ?? []).filter((item) => !gone.has(key(item))), ...lastOfEachKey(add, key)];
}

function lastOfEachKey<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

export function editMap(
  old: Readonly<Record<string, string>> | undefined,
  add: readonly (readonly [string, string])[],
  remove: readonly string[],
): Record<string, string> {
  const kept = Object.entries(old ?? {}).filter(([k]) => !remove.includes(k));
  return Object.fromEntries([...kept, ...add]);
}

/** An object without the keys that are undefined: the API reads absent as "keep the default". */
export function defined<T extends object>(o: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // Removing the undefined entries is exactly what the type says.
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The list, or undefined when it is empty, so that specs stay short. */
export function nonEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

export function nonEmptyMap(m: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  return Object.keys(m).length === 0 ? undefined : m;
}
