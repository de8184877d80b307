/** A cgroup per lab node, in every hierarchy that the machine has: what runs in a node can be found and killed as a whole. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../wait.js';
import { run, tryRun } from './run.js';

const ROOT = '/sys/fs/cgroup';
const HAND_BACK_TIMEOUT_MS = 2_000;

/** Mount points of all hierarchies: one on pure v2, one per controller otherwise. */
function hierarchies(): readonly string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT)
    .map((n) => join(ROOT, n))
    .filter((p) => existsSync(join(p, 'cgroup.procs')));
}

/** The hierarchy by which processes are found: one that runc and conmon both use. */
function tracking(): string {
  const all = hierarchies();
  return all.find((h) => h.endsWith('/pids')) ?? all[0] ?? ROOT;
}

/** Makes `path` ("swarmts-lab/NAME/m1/daemon") everywhere and puts the process into it. */
export function enterCgroup(path: string, pid: number): void {
  for (const h of hierarchies()) {
    const dir = join(h, path);
    mkdirSync(dir, { recursive: true });
    if (h.endsWith('/cpuset')) inheritCpuset(h, path);
    writeFileSync(join(dir, 'cgroup.procs'), String(pid));
  }
}

/** A cpuset of v1 begins without CPUs and takes no process before it has some. */
function inheritCpuset(h: string, path: string): void {
  let dir = h;
  for (const part of path.split('/')) {
    const parent = dir;
    dir = join(dir, part);
    for (const f of ['cpuset.cpus', 'cpuset.mems']) {
      if (readFileSync(join(dir, f), 'utf8').trim() === '')
        writeFileSync(join(dir, f), readFileSync(join(parent, f), 'utf8'));
    }
  }
}

/** Pids in the cgroup and all below it. */
export function pidsIn(path: string): readonly number[] {
  const pids = new Set<number>();
  for (const h of new Set([tracking(), ...hierarchies()])) for (const pid of pidsBelow(join(h, path))) pids.add(pid);
  return [...pids];
}

function pidsBelow(dir: string): readonly number[] {
  if (!existsSync(dir)) return [];
  const own = readProcs(dir);
  return [...own, ...childrenOf(dir).flatMap(pidsBelow)];
}

function readProcs(dir: string): readonly number[] {
  try {
    return readFileSync(join(dir, 'cgroup.procs'), 'utf8')
      .split('\n')
      .filter((l) => l !== '')
      .map(Number);
  } catch {
    return [];
  }
}

function childrenOf(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .map((n) => join(dir, n))
      .filter((p) => statSync(p).isDirectory());
  } catch {
    return [];
  }
}

/** Removes the cgroup and all below it; false while a process is still in one of them. */
export function removeCgroup(path: string): boolean {
  return hierarchies()
    .map((h) => removeBelow(join(h, path)))
    .every((ok) => ok);
}

function removeBelow(dir: string): boolean {
  if (!existsSync(dir)) return true;
  for (const child of childrenOf(dir)) removeBelow(child);
  try {
    rmdirSync(dir);
    return true;
  } catch {
    return !existsSync(dir);
  }
}

/**
 * Controllers that are left in cgroup v2 beside cgroup v1 are mounted as v1, as the daemons would do it, but where the lab sees them:
 * in a node's own mount namespace their cgroups could not be removed. Returns what `unmountControllers` has to take away.
 */
export function mountLeftControllers(): readonly string[] {
  const unified = join(ROOT, 'unified');
  if (!existsSync(unified)) return [];
  const left = readFileSync(join(unified, 'cgroup.controllers'), 'utf8')
    .split(/\s+/)
    .filter((c) => c !== '');
  if (readFileSync(join(unified, 'cgroup.subtree_control'), 'utf8').trim() !== '') return [];
  for (const controller of left) {
    const target = join(ROOT, controller);
    mkdirSync(target, { recursive: true });
    run('mount', '-t', 'cgroup', '-o', controller, controller, target);
  }
  return left;
}

/** Somebody else's cgroups and mount namespaces keep them as they are; else the kernel hands them back to cgroup v2 a moment later. */
export async function unmountControllers(controllers: readonly string[]): Promise<void> {
  for (const controller of controllers) {
    const target = join(ROOT, controller);
    if (tryRun('umount', [target]).code !== 0) continue;
    rmdirSync(target);
    const file = join(ROOT, 'unified', 'cgroup.controllers');
    const isBack = () => readFileSync(file, 'utf8').split(/\s+/).includes(controller);
    await waitFor(`${controller} is back in cgroup v2`, HAND_BACK_TIMEOUT_MS, isBack).catch(() => undefined);
  }
}
