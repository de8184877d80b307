/** Looking objects up as users name them: by id, by name, by unique id prefix. Errors in Docker's words. */
import { SwarmtsError } from '@swarmts/lib';
import type { Node } from '@swarmts/proto';
import type { Kind, Tables } from '../store/tables.js';
import type { ReadTx } from '../store/transaction.js';

function pick<T>(kind: string, ref: string, matches: readonly T[]): T | undefined {
  if (matches.length > 1) {
    throw new SwarmtsError('invalid-argument', `${kind} ${ref} is ambiguous (${matches.length} matches found)`);
  }
  return matches[0];
}

/** Throws 'not-found' or, for an ambiguous prefix, 'invalid-argument'. */
export function findByNameOrId<K extends 'service' | 'secret' | 'config' | 'network' | 'volume'>(
  tx: ReadTx,
  kind: K,
  ref: string,
): Tables[K] {
  const found =
    tx.get(kind, ref) ?? pick(kind, ref, tx.by(kind, 'name', ref)) ?? pick(kind, ref, byPrefix(tx, kind, ref));
  if (!found) throw new SwarmtsError('not-found', `${kind} ${ref} not found`);
  return found;
}

export function findNode(tx: ReadTx, ref: string): Node {
  const found =
    tx.get('node', ref) ??
    pick('node', ref, tx.by('node', 'hostname', ref)) ??
    pick('node', ref, byPrefix(tx, 'node', ref));
  if (!found) throw new SwarmtsError('not-found', `node ${ref} not found`);
  return found;
}

export function findTask(tx: ReadTx, ref: string): Tables['task'] {
  const found = tx.get('task', ref) ?? pick('task', ref, byPrefix(tx, 'task', ref));
  if (!found) throw new SwarmtsError('not-found', `task ${ref} not found`);
  return found;
}

function byPrefix<K extends Kind>(tx: ReadTx, kind: K, prefix: string): readonly Tables[K][] {
  return prefix === '' ? [] : tx.list(kind).filter((o) => o.id.startsWith(prefix));
}
