/** The pid file: one daemon per exec root. A file that a killed daemon left is replaced, also when its pid is somebody else's by now. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readFileIfThere, SwarmtsError, writeFileAtomic } from '@swarmts/lib';

/** Throws 'failed-precondition' naming the process that has it. */
export async function claimPidFile(path: string): Promise<void> {
  const pid = Number((await readFileIfThere(path))?.trim());
  if (Number.isSafeInteger(pid) && pid > 1 && pid !== process.pid && isDaemon(pid)) {
    throw new SwarmtsError(
      'failed-precondition',
      `pid file found, ensure swarmtsd is not running or delete ${path} (process ${pid})`,
    );
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, `${process.pid}\n`, 0o644);
}

/** A zombie has no command line, and another program has another. */
function isDaemon(pid: number): boolean {
  try {
    return /swarmtsd/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}
