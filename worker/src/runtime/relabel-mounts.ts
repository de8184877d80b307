/**
 * The SELinux labels of what is mounted with `z` (for all containers) or `Z` (for this one alone): the files themselves get them, as with
 * Docker. Without SELinux, or for a container that has no label, there is nothing to do.
 */
import { realpathSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { chcon } from './security-labels.js';

export interface LabelledMount {
  /** On the machine. */
  readonly source: string;
  /** The options as they were given, "ro,z". */
  readonly mode?: string | undefined;
}

/** Without these the machine itself would not work any more. Docker's list. */
const NEVER: ReadonlySet<string> = new Set([
  ...[
    '/',
    '/bin',
    '/boot',
    '/dev',
    '/etc',
    '/etc/passwd',
    '/etc/pki',
    '/etc/shadow',
    '/home',
    '/lib',
    '/lib64',
    '/media',
  ],
  ...['/opt', '/proc', '/root', '/run', '/sbin', '/srv', '/sys', '/tmp', '/usr', '/var', '/var/lib', '/var/log'],
]);
const SHARED_LEVEL = 's0';
/** A file system without labels. */
const UNSUPPORTED = /Operation not supported$/;

/** `label` is that of the container's files, '' for none. Throws SwarmtsError where a file must not, or cannot, be labelled. */
export async function relabelMounts(
  helper: Pick<HelperApi, 'run'>,
  label: string,
  mounts: readonly LabelledMount[],
): Promise<void> {
  if (label === '') return;
  for (const { source, mode = '' } of mounts) {
    const options = mode.split(',');
    const shared = options.includes('z');
    if (!shared && !options.includes('Z')) continue;
    const path = realpathSync(source);
    const failed = (why: string) =>
      new SwarmtsError('invalid-argument', `error setting label on mount source '${path}': ${why}`);
    if (NEVER.has(path) || path.startsWith('/usr/') || path === process.env.HOME)
      throw failed(`SELinux relabeling of ${path} is not allowed`);
    const why = await chcon(helper, ['-R', '-h', '--', shared ? sharedLabel(label) : label, path]);
    if (why !== undefined && !why.split('\n').every((line) => UNSUPPORTED.test(line))) throw failed(why);
  }
}

/** "user:role:type:level" */
function sharedLabel(label: string): string {
  return [...label.split(':').slice(0, 3), SHARED_LEVEL].join(':');
}
