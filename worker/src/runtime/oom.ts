/** Whether the kernel's OOM killer struck in a container's cgroup, by conmon's marker or the cgroup's own counters. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { oomMarker } from './oci-runtime.js';

/** Must be asked before the cgroup is removed. */
export function wasOomKilled(bundle: string, cgroupsPath: string, root = '/sys/fs/cgroup'): boolean {
  if (existsSync(oomMarker(bundle))) return true;
  return (
    counter(join(root, 'memory', cgroupsPath, 'memory.oom_control'), 'oom_kill') > 0 ||
    counter(join(root, cgroupsPath, 'memory.events'), 'oom_kill') > 0
  );
}

function counter(path: string, key: string): number {
  try {
    const line = readFileSync(path, 'utf8')
      .split('\n')
      .find((l) => l.startsWith(`${key} `));
    return Number(line?.slice(key.length + 1) ?? 0);
  } catch {
    // The other cgroup version, or already gone.
    return 0;
  }
}
