/**
 * Turns "user[:group]" into numbers with the container's own /etc/passwd and /etc/group. Pure; the rules and messages are
 * Docker's: numbers need no entry, names do, and the groups of the user's entry come along unless a group is named.
 */
import { SwarmtsError } from '@swarmts/lib';

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 2 ** 31 - 1;

/** `groups` are additional ones, as names or numbers. */
export function resolveUser(
  spec: string,
  groups: readonly string[],
  passwdText: string,
  groupText: string,
): ResolvedUser {
  const passwd = parsePasswd(passwdText);
  const group = parseGroup(groupText);
  const [userPart = '', groupPart = ''] = spec.split(':', 2);
  const user = userPart === '' ? '0' : userPart;
  const entry = passwd.find((p) => p.name === user) ?? passwd.find((p) => isId(user) && p.uid === Number(user));
  if (!entry && !isId(user)) {
    throw new SwarmtsError('invalid-argument', `unable to find user ${user}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? idOf(user);
  const gid = groupPart === '' ? (entry?.gid ?? 0) : gidOf(groupPart, group);
  const own = groupPart === '' && entry ? group.filter((g) => g.members.includes(entry.name)).map((g) => g.gid) : [];
  const extra = groups.map((g) => gidOf(g, group));
  return { uid, gid, additionalGids: [...new Set([gid, ...own, ...extra])], home: entry?.home || '/' };
}

function gidOf(name: string, entries: readonly GroupEntry[]): number {
  const entry = entries.find((g) => g.name === name);
  if (entry) return entry.gid;
  if (isId(name)) return idOf(name);
  throw new SwarmtsError('invalid-argument', `unable to find group ${name}: no matching entries in group file`);
}

function isId(text: string): boolean {
  return /^-?\d+$/.test(text);
}

function idOf(text: string): number {
  const n = Number(text);
  if (n < 0 || n > MAX_ID) throw new SwarmtsError('invalid-argument', 'uids and gids must be in range 0-2147483647');
  return n;
}

function parsePasswd(text: string): PasswdEntry[] {
  return linesOf(text).flatMap((line) => {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    return isId(uid) && isId(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return linesOf(text).flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.split(':');
    return isId(gid) ? [{ name, gid: Number(gid), members: members.split(',').filter((m) => m !== '') }] : [];
  });
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('#'));
}
