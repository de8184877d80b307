/** Waits for the file in which an OCI runtime writes the pid of what it has started. */
import { readFileSync } from 'node:fs';

const FIRST_LOOK_MS = 2;
const LAST_LOOK_MS = 20;
/** Of one whose terminal is to be its user's before it looks. */
export const HASTY_LOOK_MS = 2;

/** The pid, or undefined when `running` settled and there never was one. `lastLookMs`: the longest time between two looks. */
export async function startedOrEnded(
  pidFile: string,
  running: Promise<unknown>,
  lastLookMs = LAST_LOOK_MS,
): Promise<number | undefined> {
  let ended = false;
  const end = running.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, lastLookMs)) {
    // Asked before looking: a file of one that has ended is there by then.
    const last = ended;
    const pid = readPid(pidFile);
    if (pid !== undefined || last) return pid;
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, wait))]);
  }
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
