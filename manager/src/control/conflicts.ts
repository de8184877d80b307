/** What two users who change the same thing are told. Words: Docker's. */
import { SwarmtsError } from '@swarmts/lib';

interface HasVersion {
  readonly meta: { readonly version: { readonly index: number } | undefined; readonly specIndex: number } | undefined;
}

/** A version that was read since the spec was last written will do: what the managers note in an object is not what a user changes. */
export function checkVersion(kind: string, object: HasVersion, version: number): void {
  const index = object.meta?.version?.index ?? 0;
  const since = object.meta?.specIndex || index;
  if (version < since || version > index) {
    throw new SwarmtsError(
      'out-of-sequence',
      `rpc error: code = Unknown desc = update out of sequence: the ${kind} was changed meanwhile, read it again`,
    );
  }
}

export function nameTaken(kind: string, name: string): SwarmtsError {
  return new SwarmtsError(
    'already-exists',
    `rpc error: code = AlreadyExists desc = name conflicts with an existing object: ${kind} ${name} already exists`,
  );
}
