/** The mounts of this process's namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

export interface MountInfo {
  readonly target: string;
  /** How mounts below it reach others: "shared:5", "master:3"; nothing of a private one. */
  readonly propagation?: readonly string[];
  /** Of the mount itself: "ro", "nosuid", "relatime", ... */
  readonly options: readonly string[];
  readonly fstype: string;
  readonly source: string;
  /** Of the file system. */
  readonly superOptions: readonly string[];
}

const TARGET_FIELD = 4;
const OPTIONS_FIELD = 5;
const FIRST_OPTIONAL_FIELD = 6;

export function readMounts(): readonly MountInfo[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** What is mounted at or below a directory, given without links in its path. */
export async function mountsBelow(directory: string): Promise<readonly MountInfo[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  // Thousands of lines on a busy node, and most often none is of interest.
  if (!text.includes(escaped(basename(directory)))) return [];
  return parseMountinfo(text).filter((m) => m.target === directory || m.target.startsWith(`${directory}/`));
}

/** In the order of the file: a later mount may lie over an earlier one. */
export function parseMountinfo(text: string): readonly MountInfo[] {
  return text.split('\n').flatMap((line) => {
    // Optional fields of any number stand before the separator.
    const [mount = '', filesystem = ''] = line.split(' - ');
    const fields = mount.split(' ');
    const target = fields[TARGET_FIELD];
    if (target === undefined) return [];
    const [fstype = '', source = '', superOptions = ''] = filesystem.split(' ');
    const options = (fields[OPTIONS_FIELD] ?? '').split(',');
    const propagation = fields.slice(FIRST_OPTIONAL_FIELD);
    return [{ target: unescaped(target), propagation, options, fstype, source, superOptions: superOptions.split(',') }];
  });
}

/** Spaces and the like stand as octal escapes. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function escaped(name: string): string {
  return name.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
