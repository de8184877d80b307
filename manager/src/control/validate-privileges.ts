/** How the processes of a service are confined: what a node could not make sense of would leave them with what is the default. */
import { SwarmtsError } from '@swarmts/lib';
import type { Privileges } from '@swarmts/proto';

const SECCOMP_MODES: readonly string[] = ['', 'default', 'unconfined', 'custom'];
const APPARMOR_MODES: readonly string[] = ['', 'default', 'disabled'];

const bad = (message: string) => new SwarmtsError('invalid-argument', `ContainerSpec: ${message}`);

export function validatePrivileges(p: Privileges | undefined): void {
  if (!p) return;
  if (!SECCOMP_MODES.includes(p.seccompMode))
    throw bad(`unknown seccomp mode ${JSON.stringify(p.seccompMode)}: use default, unconfined or custom`);
  if (!APPARMOR_MODES.includes(p.apparmorMode))
    throw bad(`unknown AppArmor mode ${JSON.stringify(p.apparmorMode)}: use default or disabled`);
  const isCustom = p.seccompMode === 'custom';
  if (!isCustom && p.seccompProfile.length > 0) throw bad('a seccomp profile is for the seccomp mode custom');
  if (isCustom && !isJson(p.seccompProfile)) throw bad('the seccomp mode custom needs a profile, which is JSON');
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
