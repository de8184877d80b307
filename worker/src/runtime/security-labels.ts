/** The labels that AppArmor and SELinux put on the processes of a container, where the kernel has them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig } from '../engine/engine-api.js';

export interface LabelSupport {
  readonly apparmor: boolean;
  readonly selinux: boolean;
}

export interface SecurityLabels {
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

type Labelled = Pick<ContainerConfig, 'apparmorProfile' | 'selinuxLabel' | 'privileged'>;

const UNCONFINED = 'unconfined';

/** What the kernel enforces; `sys` is where sysfs is mounted. A module that is built in and switched off leaves its directory. */
export function labelSupport(sys = '/sys'): LabelSupport {
  const isOn = textOf(join(sys, 'module/apparmor/parameters/enabled')) === 'Y';
  return {
    apparmor: isOn && existsSync(join(sys, 'kernel/security/apparmor')),
    selinux: existsSync(join(sys, 'fs/selinux/enforce')),
  };
}

/** What was asked for; privileged containers are not confined unless it was. Nothing where the kernel knows no such labels. */
export function securityLabels(config: Labelled, support: LabelSupport): SecurityLabels {
  const profile = config.apparmorProfile || (config.privileged ? UNCONFINED : '');
  return {
    ...(support.apparmor && profile !== '' ? { apparmorProfile: profile } : {}),
    ...(support.selinux && config.selinuxLabel ? { selinuxLabel: config.selinuxLabel } : {}),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
