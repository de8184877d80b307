/**
 * Which OCI runtime runs the containers when nobody says: crun where it is installed and works (it starts a container in less
 * than half of runc's time), else runc. crun refuses a machine with cgroup v1 whose cgroup v2 hierarchy still has controllers; those that
 * nobody uses there are mounted beside the others first, where cgroup v1's tools would have put them.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findProgram, type Logger, messageOf } from '@swarmts/lib';
import type { HelperApi, MountSpec } from '../helper/helper-api.js';
import { requireProgram } from './machine-facts.js';
import { type MountInfo, readMounts } from './mountinfo.js';

export interface CgroupFacts {
  readonly mounts: readonly MountInfo[];
  /** A file of the cgroup v2 hierarchy at this path, '' when it cannot be read. */
  readonly read: (path: string) => string;
}

export type CrunVerdict =
  | { readonly kind: 'works' }
  | { readonly kind: 'after'; readonly mounts: readonly MountSpec[] }
  | { readonly kind: 'refuses' };

/** Whether crun takes this machine's cgroups, and what has to be mounted for it. */
export function crunVerdict(facts: CgroupFacts): CrunVerdict {
  const v1 = facts.mounts.filter((m) => m.fstype === 'cgroup');
  const v2 = facts.mounts.find((m) => m.fstype === 'cgroup2');
  if (!v2 || v1.length === 0) return { kind: 'works' };
  const left = words(facts.read(join(v2.target, 'cgroup.controllers')));
  if (left.length === 0) return { kind: 'works' };
  // Somebody delegates them on the cgroup v2 side: they cannot be taken away.
  if (words(facts.read(join(v2.target, 'cgroup.subtree_control'))).length > 0) return { kind: 'refuses' };
  const parent = join(v1[0]?.target ?? '', '..');
  return {
    kind: 'after',
    mounts: left.map((name) => ({
      source: name,
      target: join(parent, name),
      fstype: 'cgroup',
      flags: ['nosuid', 'nodev', 'noexec', 'relatime'],
      data: name,
    })),
  };
}

/** The path of the runtime: `configured` (a name or path) or the choice described above. Throws 'failed-precondition'. */
export async function chooseRuntime(
  configured: string | undefined,
  helper: HelperApi,
  logger: Logger,
): Promise<string> {
  if (configured !== undefined) {
    const program = requireProgram(configured, configured);
    if (basename(program) === 'crun') await prepareForCrun(helper, logger);
    return program;
  }
  const crun = findProgram('crun');
  if (crun !== undefined && (await prepareForCrun(helper, logger))) return crun;
  return requireProgram('runc', 'runc');
}

/** Mounts what crun wants to see mounted; false where it would refuse all the same. */
export async function prepareForCrun(helper: HelperApi, logger: Logger): Promise<boolean> {
  const verdict = crunVerdict({ mounts: readMounts(), read: readOrEmpty });
  if (verdict.kind !== 'after') return verdict.kind === 'works';
  try {
    for (const m of verdict.mounts) {
      await mkdir(m.target, { recursive: true });
      await helper.mount(m);
    }
    return true;
  } catch (e) {
    logger.info('crun is not used: cgroup v2 keeps its controllers', { error: messageOf(e) });
    return false;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((w) => w !== '');
}
