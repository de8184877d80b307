/**
 * Which files of a context (or of another stage) the sources of COPY and ADD mean, and a hash over them: names, kinds, modes
 * and contents, without times, so that a fresh checkout finds the cache. Runs in the building child.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import { byteString, bytesOf, kindOf, resolveScoped } from '../snapshots/scoped-path.js';
import type { SelectedSource, Selection } from './build-request.js';

const READ_BYTES = 256 << 10;

/** `root` is a byte string; patterns and answers are text. */
export function selectSources(root: string, patterns: readonly string[], owners: boolean): Selection {
  const sources = patterns.flatMap((p) => matchesOf(root, p));
  if (sources.length === 0) throw failed('no source files were specified');
  const parts = sources.map((s) => hashOf(root, s, owners));
  const [first = ''] = parts;
  if (parts.length === 1) return { sources, hash: `${sources[0]?.isDirectory ? 'dir' : 'file'}:${first}` };
  return { sources, hash: `multi:${createHash('sha256').update(parts.join(',')).digest('hex')}` };
}

function matchesOf(root: string, pattern: string): SelectedSource[] {
  const clean = cleaned(pattern);
  const isGlob = /[*?[\\]/.test(pattern);
  if (clean === undefined && isGlob) return [];
  if (clean === undefined) throw failed(`forbidden path outside the build context: ${pattern.replace(/^\/+/, '')} ()`);
  const paths = isGlob ? globbed(root, clean) : [clean];
  return paths.map((path) => {
    const inside = resolveScoped(root, byteString(path), { followLast: true });
    const absolute = inside === '' ? root : `${root}/${inside}`;
    if (kindOf(absolute) === 'missing') {
      throw failed(`file not found in build context or excluded by .dockerignore: stat ${path}: file does not exist`);
    }
    return { path, isDirectory: statSync(bytesOf(absolute)).isDirectory() };
  });
}

/** Relative to the root; undefined for what climbs out of it. */
function cleaned(pattern: string): string | undefined {
  const out: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.pop() === undefined) return undefined;
  }
  return out.join('/');
}

/** Go's filepath.Match, component by component; the order is that of the names. */
function globbed(root: string, pattern: string): string[] {
  let found = [''];
  for (const part of pattern.split('/')) {
    const regex = globRegex(part);
    found = found.flatMap((dir) => {
      const inside = resolveScoped(root, byteString(dir), { followLast: true });
      const absolute = inside === '' ? root : `${root}/${inside}`;
      if (kindOf(absolute) !== 'directory') return [];
      const names = readdirSync(bytesOf(absolute), 'utf8').sort();
      return names.filter((n) => regex.test(n)).map((n) => (dir === '' ? n : `${dir}/${n}`));
    });
  }
  return found;
}

function globRegex(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] ?? '';
    const set = c === '[' ? /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(i)) : null;
    if (set) {
      source += `[${set[1]}${(set[2] ?? '').replaceAll('[', '\\[')}]`;
      i += set[0].length - 1;
    } else if (c === '[' || (c === '\\' && i + 1 === pattern.length)) {
      throw failed(`syntax error in pattern: ${pattern}`);
    } else if (c === '*') source += '[^/]*';
    else if (c === '?') source += '[^/]';
    else source += (c === '\\' ? (pattern[++i] ?? '') : c).replace(/[.+^${}()|[\]\\/-]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 'u');
}

function hashOf(root: string, source: SelectedSource, owners: boolean): string {
  const hash = createHash('sha256');
  const inside = resolveScoped(root, byteString(source.path), { followLast: true });
  // The file's own name matters: it is what the copy is called.
  if (!source.isDirectory) hash.update(`${source.path.split('/').at(-1)}\0`);
  hashEntry(hash, inside === '' ? root : `${root}/${inside}`, '', owners);
  return hash.digest('hex');
}

function hashEntry(hash: Hash, absolute: string, name: string, owners: boolean): void {
  const s = lstatSync(bytesOf(absolute));
  hash.update(`${name}\0${s.mode.toString(8)}\0`);
  if (owners) hash.update(`${s.uid}:${s.gid}\0`);
  if (s.isSymbolicLink()) hash.update(`${readlinkSync(bytesOf(absolute), 'latin1')}\0`);
  else if (s.isFile()) hashContent(hash, absolute, s.size);
  else if (s.isDirectory()) {
    for (const n of readdirSync(bytesOf(absolute), 'latin1').sort())
      hashEntry(hash, `${absolute}/${n}`, `${name}/${n}`, owners);
  } else hash.update(`${s.rdev}\0`);
}

function hashContent(hash: Hash, absolute: string, size: number): void {
  hash.update(`${size}\0`);
  const buffer = Buffer.alloc(Math.min(READ_BYTES, Math.max(1, size)));
  const fd = openSync(bytesOf(absolute), 'r');
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      hash.update(buffer.subarray(0, count));
  } finally {
    closeSync(fd);
  }
}

function failed(why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', why);
}
