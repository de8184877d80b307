/** The labels that AppArmor and SELinux put on the processes and files of a container, where the kernel has them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerConfig } from '../engine/container-config.js';
import type { HelperApi } from '../helper/helper-api.js';
import { textOf } from './text-of.js';

export interface LabelSupport {
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** The AppArmor profile of containers that name none. */
  readonly defaultProfile?: string;
  /** What SELinux's policy has for files of containers. */
  readonly fileLabel?: string;
}

export interface SecurityLabels {
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

type Labelled = Pick<ContainerConfig, 'apparmorProfile' | 'selinuxLabel' | 'privileged'>;

export const UNCONFINED = 'unconfined';

/** What the kernel enforces; `sys` is where sysfs is mounted. A module that is built in and switched off leaves its directory. */
export function labelSupport(sys = '/sys', etc = '/etc'): LabelSupport {
  const isOn = textOf(join(sys, 'module/apparmor/parameters/enabled')) === 'Y';
  const selinux = existsSync(join(sys, 'fs/selinux/enforce'));
  const fileLabel = selinux ? fileLabelOf(etc) : '';
  return {
    apparmor: isOn && existsSync(join(sys, 'kernel/security/apparmor')),
    selinux,
    ...(fileLabel === '' ? {} : { fileLabel }),
  };
}

/** From the policy that is in force (selinux_config(5), lxc_contexts). */
function fileLabelOf(etc: string): string {
  const [, policy = 'targeted'] = /^SELINUXTYPE\s*=\s*(\S+)/m.exec(textOf(join(etc, 'selinux/config'))) ?? [];
  const contexts = textOf(join(etc, 'selinux', policy, 'contexts/lxc_contexts'));
  return /^file\s*=\s*"([^"]+)"/m.exec(contexts)?.[1] ?? '';
}

/** Of the files of a container whose processes are labelled: the policy's, at the level of the processes. '' for none. */
export function mountLabel(config: Labelled, { selinux, fileLabel }: LabelSupport): string {
  const [user, role, type] = fileLabel?.split(':') ?? [];
  if (!selinux || !config.selinuxLabel || !type) return '';
  const level = config.selinuxLabel.split(':').slice(3).join(':');
  return [user, role, type, level].join(':');
}

/** As an option of mount(2): levels have commas. */
export function contextOption(label: string): string {
  return label === '' ? '' : `,context="${label}"`;
}

/** What was asked for; privileged containers are not confined unless it was. Nothing where the kernel knows no such labels. */
export function securityLabels(config: Labelled, support: LabelSupport): SecurityLabels {
  const profile = config.apparmorProfile || (config.privileged ? UNCONFINED : (support.defaultProfile ?? ''));
  return {
    ...(support.apparmor && profile !== '' ? { apparmorProfile: profile } : {}),
    ...(support.selinux && config.selinuxLabel ? { selinuxLabel: config.selinuxLabel } : {}),
  };
}

/** Files that lie outside of the container's root and are mounted into it. Throws SwarmtsError 'internal' with what chcon says. */
export async function labelFiles(
  helper: Pick<HelperApi, 'run'>,
  label: string,
  paths: readonly string[],
): Promise<void> {
  const why = paths.length === 0 ? undefined : await chcon(helper, ['--', label, ...paths]);
  if (why !== undefined)
    throw new SwarmtsError('internal', `SELinux relabeling of the container's files is not allowed: ${why}`);
}

/** What chcon(1) says when it fails. */
export async function chcon(helper: Pick<HelperApi, 'run'>, args: readonly string[]): Promise<string | undefined> {
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' };
  const { code, stderr } = await helper.run({ argv: ['chcon', ...args], env });
  return code === 0 ? undefined : Buffer.from(stderr).toString('utf8').trim();
}
