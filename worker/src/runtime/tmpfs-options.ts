/** Mount options of a tmpfs as users write them, over Docker's own. Pure. */
import { SwarmtsError } from '@swarmts/lib';

const DEFAULTS = ['noexec', 'nosuid', 'nodev'];
/** Each pair excludes the other; the last one that is named counts. */
const OPPOSITES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ['exec', 'noexec'],
    ['suid', 'nosuid'],
    ['dev', 'nodev'],
    ['rw', 'ro'],
    ['atime', 'noatime'],
    ['diratime', 'nodiratime'],
    ['sync', 'async'],
    ['dirsync', 'nodirsync'],
    ['relatime', 'norelatime'],
    ['strictatime', 'nostrictatime'],
  ].flatMap(([a = '', b = '']) => [
    [a, b],
    [b, a],
  ]),
);
const PROPAGATIONS = ['private', 'shared', 'slave', 'unbindable'].flatMap((p) => [p, `r${p}`]);
const WITH_VALUE = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

export function isPropagation(option: string): boolean {
  return PROPAGATIONS.includes(option);
}

/** What takes an option of mount(8) back, and what it takes back; undefined of those that have no such thing. */
export function oppositeOf(option: string): string | undefined {
  return OPPOSITES[option];
}

/** Throws 'invalid-argument' for anything that a tmpfs does not know. */
export function tmpfsOptions(given: readonly string[]): string[] {
  const options = new Map<string, string>(DEFAULTS.map((d) => [d, d]));
  for (const text of given) {
    if (text === '' || text === 'defaults') continue;
    const name = text.split('=', 1)[0] ?? '';
    const opposite = OPPOSITES[text];
    if (isPropagation(text)) {
      options.set('propagation', text);
      continue;
    }
    if (opposite === undefined && !(WITH_VALUE.includes(name) && text.length > name.length + 1)) {
      throw new SwarmtsError('invalid-argument', `invalid tmpfs option ${JSON.stringify(text)}`);
    }
    if (opposite !== undefined) options.delete(opposite);
    options.delete(name);
    options.set(name, text);
  }
  return [...options.values()];
}
