/** What nobody tells of a running container: it is looked at, and the record says so from then on. */
import { existsSync } from 'node:fs';
import { oomMarker } from '../runtime/oci-runtime.js';
import { cgroupOf } from './container-bundle.js';
import type { ContainerCore } from './container-core.js';
import { isFrozen } from './container-stats.js';

/** A daemon that died between freezing and writing it down. What is frozen does not even die from SIGKILL. Under the lock. */
export async function noteFrozen(core: ContainerCore): Promise<void> {
  const frozen = isFrozen(core.context.cgroupMounts, cgroupOf(core.context.bundle, core.record));
  const state = frozen ? 'paused' : 'running';
  if (frozen !== undefined && state !== core.record.state) await core.change({ state });
}

/** Once: what is killed may be a process of many, and what is not to be killed waits for memory. */
export async function tellOom(core: ContainerCore): Promise<void> {
  if (core.record.oomTold || !existsSync(oomMarker(core.paths.bundle))) return;
  await core.lock.run(async () => {
    if (!core.isRunning || core.record.oomTold) return;
    await core.change({ oomTold: true });
    core.emit('oom');
  });
}
