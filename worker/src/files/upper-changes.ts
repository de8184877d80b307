/** What a container has changed of its image, from the upper directory of its overlay. */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { lgetxattr } from '../snapshots/posix-calls.js';
import { bytesOf } from '../snapshots/scoped-path.js';

export interface FileChange {
  readonly kind: 'modified' | 'added' | 'deleted';
  /** Absolute, within the container. */
  readonly path: string;
}

const OPAQUE_XATTR = 'trusted.overlay.opaque';

export interface ChangesRequest {
  readonly upper: string;
  /** Topmost first. */
  readonly lower: readonly string[];
  /** Paths without a leading slash that do not count while they are empty: the engine made them to mount on. */
  readonly emptyMounts: readonly string[];
}

/** Sorted by path. Everything is a byte string here (latin1), like the names on disk. */
export function upperChanges(request: ChangesRequest): FileChange[] {
  const mounts = new Set(request.emptyMounts.map((m) => Buffer.from(m, 'utf8').toString('latin1')));
  const changes: FileChange[] = [];
  const walk = (path: string, hidden: boolean): void => {
    for (const name of names(`${request.upper}/${path}`).sort()) {
      const inner = path === '' ? name : `${path}/${name}`;
      const s = lstatSync(bytesOf(`${request.upper}/${inner}`));
      const below = !hidden && isBelow(request.lower, inner);
      if (isWhiteout(s)) {
        if (below) changes.push({ kind: 'deleted', path: shown(inner) });
        continue;
      }
      const at = changes.length;
      if (s.isDirectory()) walk(inner, hidden || isOpaque(`${request.upper}/${inner}`));
      const isMount = mounts.has(inner) && changes.length === at && (s.isDirectory() || s.size === 0);
      if (!isMount) changes.splice(at, 0, { kind: below ? 'modified' : 'added', path: shown(inner) });
    }
  };
  walk('', false);
  return withoutBareParents(changes, mounts);
}

/** Directories that are there only because something was mounted below them. */
function withoutBareParents(changes: readonly FileChange[], mounts: ReadonlySet<string>): FileChange[] {
  const parents = new Set(
    [...mounts].flatMap((m) => m.split('/').map((_, i, all) => shown(all.slice(0, i + 1).join('/')))),
  );
  return changes.filter(
    (c) => c.kind !== 'modified' || !parents.has(c.path) || changes.some((o) => o.path.startsWith(`${c.path}/`)),
  );
}

function isBelow(lower: readonly string[], path: string): boolean {
  for (const layer of lower) {
    const parts = path.split('/');
    for (let i = 1; i <= parts.length; i++) {
      const here = `${layer}/${parts.slice(0, i).join('/')}`;
      const s = stat(here);
      if (s === undefined) break;
      if (isWhiteout(s)) return false;
      if (i === parts.length) return true;
      if (!s.isDirectory()) return false;
      if (isOpaque(here) && stat(`${layer}/${path}`) === undefined) return false;
    }
  }
  return false;
}

function stat(path: string): Stats | undefined {
  return lstatSync(bytesOf(path), { throwIfNoEntry: false });
}

function names(directory: string): string[] {
  return readdirSync(bytesOf(directory), { encoding: 'latin1' });
}

function isWhiteout(s: Stats): boolean {
  return s.isCharacterDevice() && s.rdev === 0;
}

function isOpaque(path: string): boolean {
  return lgetxattr(bytesOf(path), OPAQUE_XATTR) === 'y';
}

function shown(path: string): string {
  return `/${Buffer.from(path, 'latin1').toString('utf8')}`;
}
