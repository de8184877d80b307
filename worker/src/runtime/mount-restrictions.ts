/**
 * What the mount that holds a path restricts. A bind mount takes over the restrictions of its source; runc keeps them when it sets options
 * on the bind mount, crun drops those that are not named. So they are named.
 */
const ROOT_FIELD = 4;
const OPTIONS_FIELD = 5;
const RESTRICTIONS = new Set(['ro', 'nosuid', 'nodev', 'noexec']);

/** `mountinfo` is /proc/self/mountinfo (proc_pid_mountinfo(5)), `path` absolute and without links. */
export function restrictionsOf(mountinfo: string, path: string): readonly string[] {
  let longest = '';
  let options = '';
  for (const line of mountinfo.split('\n')) {
    const fields = line.split(' ');
    const target = unescaped(fields[ROOT_FIELD] ?? '');
    // Later lines are mounted over earlier ones.
    if (target === '' || target.length < longest.length || !holds(target, path)) continue;
    longest = target;
    options = fields[OPTIONS_FIELD] ?? '';
  }
  return options.split(',').filter((o) => RESTRICTIONS.has(o));
}

function holds(target: string, path: string): boolean {
  return target === '/' || path === target || path.startsWith(`${target}/`);
}

/** Spaces and the like stand as octal escapes. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
