/**
 * For children that change files: one whose parent was killed must not go on beside those who clean up after it. Only child processes
 * load this file.
 */
import koffi from 'koffi';

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

export function dieWithParent(): void {
  const prctl = koffi.load('libc.so.6').func('int prctl(int option, unsigned long value)');
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have died before: then init, or whoever collects orphans here, is the parent already.
  if (process.ppid === 1) process.exit(1);
}
