/**
 * What the mount that holds a path restricts. A bind mount takes over the restrictions of its source; runc keeps them when it sets options
 * on the bind mount, crun drops those that are not named. So they are named.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { MountInfo } from './mountinfo.js';

const RESTRICTIONS = new Set(['ro', 'nosuid', 'nodev', 'noexec']);

/** `path` is absolute and without links. */
export function restrictionsOf(mounts: readonly MountInfo[], path: string): readonly string[] {
  return mountAt(mounts, path)?.options.filter((o) => RESTRICTIONS.has(o)) ?? [];
}

/** Throws Docker's words when what is mounted below the path cannot reach a container that asks for it, or the other way round. */
export function checkPropagation(mounts: readonly MountInfo[], path: string, wanted: string): void {
  const mount = mountAt(mounts, path);
  const isIn = (kind: string) => mount?.propagation?.some((p) => p.startsWith(kind)) ?? false;
  const needs = /shared$/.test(wanted) ? 'shared' : /slave$/.test(wanted) ? 'shared or slave' : undefined;
  if (needs === undefined || isIn('shared:') || (needs !== 'shared' && isIn('master:'))) return;
  const what = `path ${path} is mounted on ${mount?.target} but it is not a ${needs} mount`;
  throw new SwarmtsError('failed-precondition', what);
}

/** The innermost mount that holds the path. */
function mountAt(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  let innermost: MountInfo | undefined;
  for (const m of mounts) {
    // Later ones are mounted over earlier ones.
    if (holds(m.target, path) && m.target.length >= (innermost?.target.length ?? 0)) innermost = m;
  }
  return innermost;
}

function holds(target: string, path: string): boolean {
  return target === '/' || path === target || path.startsWith(`${target}/`);
}
