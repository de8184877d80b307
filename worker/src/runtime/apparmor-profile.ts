/**
 * The AppArmor profile that containers have unless they name another: ours, loaded into the kernel where AppArmor is on and its parser is
 * installed. It keeps what Docker's keeps: no mounts, and of /proc and /sys only what a container may change anyway.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { textOf } from './text-of.js';

export const DEFAULT_PROFILE = 'swarmts-default';

export interface DefaultProfileOptions {
  readonly helper: Pick<HelperApi, 'run'>;
  /** The program that loads profiles. */
  readonly parser: string;
  /** Where the text can be kept while it is read. */
  readonly directory: string;
  readonly sys?: string;
  readonly etc?: string;
}

/** Undefined where the parser is missing. */
export function apparmorParser(): string | undefined {
  return findProgram('apparmor_parser') ?? ['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser'].find(existsSync);
}

export class DefaultProfile {
  readonly #o: DefaultProfileOptions;

  constructor(options: DefaultProfileOptions) {
    this.#o = options;
  }

  /**
   * Loads it unless it is there: upgrades of a distribution's profiles take away those that lie in no file of theirs. Throws SwarmtsError
   * 'failed-precondition' with what the parser says.
   */
  async ensure(): Promise<void> {
    if (this.#isLoaded()) return;
    const { helper, parser, directory, etc = '/etc/apparmor.d' } = this.#o;
    const file = join(directory, DEFAULT_PROFILE);
    await writeFile(file, profileText({ own: ownProfile(), includes: (name) => existsSync(join(etc, name)) }));
    const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
    // Not kept in the cache of the distribution; one that is there already is replaced.
    const { code, stderr } = await helper.run({ argv: [parser, '-Kr', file], env });
    if (code === 0) return;
    const why = Buffer.from(stderr).toString('utf8').trim() || `exit code ${code}`;
    throw new SwarmtsError(
      'failed-precondition',
      `AppArmor is enabled, but the profile ${DEFAULT_PROFILE} could not be loaded: ${why}`,
    );
  }

  #isLoaded(): boolean {
    const loaded = textOf(join(this.#o.sys ?? '/sys', 'kernel/security/apparmor/profiles'));
    return loaded.split('\n').some((line) => line.startsWith(`${DEFAULT_PROFILE} (`));
  }
}

export interface ProfileFacts {
  /** The profile that this daemon is in, '' for none. */
  readonly own: string;
  /** Whether the distribution has a file to include. */
  readonly includes: (name: string) => boolean;
}

export function profileText({ own, includes }: ProfileFacts): string {
  const senders = ['unconfined', 'runc', 'crun', ...(own === '' ? [] : [own])];
  const rules = [
    ...(includes('abstractions/base') ? ['#include <abstractions/base>'] : []),
    'network,',
    'capability,',
    'file,',
    'umount,',
    ...senders.map((peer) => `signal (receive) peer="${peer}",`),
    `signal (send,receive) peer=${DEFAULT_PROFILE},`,
    `ptrace (trace,read,tracedby,readby) peer=${DEFAULT_PROFILE},`,
    'deny mount,',
    // Of /proc, what belongs to processes may be written, and the limits of shared memory.
    'deny @{PROC}/* w,',
    'deny @{PROC}/[^1-9s]*/** w,',
    ...allBut('@{PROC}/s', 'ys/').map((path) => `deny ${path} w,`),
    ...allBut('@{PROC}/sys/', 'kernel/').map((path) => `deny ${path} w,`),
    ...allBut('@{PROC}/sys/kernel/', 'shm').map((path) => `deny ${path} w,`),
    'deny @{PROC}/sysrq-trigger rwklx,',
    'deny @{PROC}/kcore rwklx,',
    // Of /sys, the control groups.
    ...allBut('/sys/', 'fs/').map((path) => `deny ${path} wklx,`),
    ...allBut('/sys/fs/', 'cgroup/').map((path) => `deny ${path} wklx,`),
    ...['firmware', 'devices/virtual/powercap', 'kernel/security'].map((path) => `deny /sys/${path}/** rwklx,`),
  ];
  return [
    includes('tunables/global') ? '#include <tunables/global>' : '@{PROC}=/proc/',
    `profile ${DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {`,
    ...rules.map((rule) => `  ${rule}`),
    '}',
    '',
  ].join('\n');
}

/** Patterns for every path below `prefix` that does not begin with `name`: one for each letter in which it can differ. */
function allBut(prefix: string, name: string): readonly string[] {
  return [...name].map((letter, i) => `${prefix}${name.slice(0, i)}[^${letter}]**`);
}

/** As the kernel says it, "NAME (MODE)". */
function ownProfile(): string {
  const [, name = ''] = /^(.*) \((?:enforce|complain)\)$/.exec(textOf('/proc/self/attr/current')) ?? [];
  return name;
}
