/**
 * A process as pid plus start time plus boot: the only way to recognise one later, because pids are used again. /proc is
 * read synchronously: it never touches a disk, and the thread pool belongs to others.
 */
import { readFileSync } from 'node:fs';

const BOOT_ID = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
  readonly bootId: string;
}

/** The identity of a running process; undefined when there is none (zombies count as gone). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (pid <= 0) return undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command may contain spaces and parentheses: fields start after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTime = fields[19];
  if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTime, bootId: BOOT_ID };
}

export function isAlive(identity: ProcessIdentity | undefined): boolean {
  if (!identity) return false;
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}
