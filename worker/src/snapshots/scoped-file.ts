/**
 * Reads a text file out of a tree that somebody else filled: links lead nowhere outside, and what is no regular file of a
 * sensible size is not read, because a pipe or a device would never end.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import { byteString, bytesOf, kindOf, resolveScoped } from './scoped-path.js';

/** Undefined when there is no such file. Throws 'invalid-argument' for what is not to be read. */
export function readScopedText(root: string, path: string, maxBytes: number): string | undefined {
  const top = byteString(root);
  const inside = resolveScoped(top, byteString(path), { followLast: true });
  return readText(inside === '' ? top : `${top}/${inside}`, path, maxBytes);
}

/** As `readScopedText`, of a path that is resolved already, as byte string; `path` is what errors name. */
export function readText(absolute: string, path: string, maxBytes: number): string | undefined {
  if (kindOf(absolute) === 'missing') return undefined;
  // Opening a device may do something already.
  mustBeText(lstatSync(bytesOf(absolute)), path, maxBytes);
  // Whoever has the tree may put something else there meanwhile.
  const fd = openSync(bytesOf(absolute), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    mustBeText(fstatSync(fd), path, maxBytes);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function mustBeText(s: Stats, path: string, maxBytes: number): void {
  if (s.isDirectory()) throw new SwarmtsError('invalid-argument', `${path} is a directory, not a file`);
  if (!s.isFile()) throw new SwarmtsError('invalid-argument', `${path} is no regular file`);
  if (s.size > maxBytes) throw new SwarmtsError('invalid-argument', `${path} is larger than ${maxBytes} bytes`);
}
