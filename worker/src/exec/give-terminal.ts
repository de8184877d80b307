/**
 * Gives the terminal of a process to its user. A runtime that does not leaves it to root, and who opens /dev/pts/0 anew (screen, gpg) is
 * refused.
 */
import { chownSync, closeSync, fstatSync, openSync } from 'node:fs';
import { deviceNumbers } from '../runtime/machine-facts.js';

/** Opens the place alone, whatever is there. */
const O_PATH = 0o10000000;
const FIRST_PTS_MAJOR = 136;
const LAST_PTS_MAJOR = 143;

/** `uid` is the machine's. The process may have ended, or have something else in the place of its terminal, which is not touched. */
export function giveTerminal(pid: number, uid: number): void {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/fd/0`, O_PATH);
  } catch {
    return;
  }
  try {
    // What is looked at is what is changed, whatever the process does meanwhile.
    const found = fstatSync(fd);
    const { major } = deviceNumbers(found.rdev);
    if (!found.isCharacterDevice() || major < FIRST_PTS_MAJOR || major > LAST_PTS_MAJOR) return;
    chownSync(`/proc/self/fd/${fd}`, uid, found.gid);
  } finally {
    closeSync(fd);
  }
}
