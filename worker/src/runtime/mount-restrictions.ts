/**
 * What the mount that holds a path restricts. A bind mount takes over the restrictions of its source; runc keeps them when it sets options
 * on the bind mount, crun drops those that are not named. So they are named.
 */
import type { MountInfo } from './mountinfo.js';

const RESTRICTIONS = new Set(['ro', 'nosuid', 'nodev', 'noexec']);

/** `path` is absolute and without links. */
export function restrictionsOf(mounts: readonly MountInfo[], path: string): readonly string[] {
  let innermost: MountInfo | undefined;
  for (const m of mounts) {
    // Later ones are mounted over earlier ones.
    if (holds(m.target, path) && m.target.length >= (innermost?.target.length ?? 0)) innermost = m;
  }
  return innermost?.options.filter((o) => RESTRICTIONS.has(o)) ?? [];
}

function holds(target: string, path: string): boolean {
  return target === '/' || path === target || path.startsWith(`${target}/`);
}
