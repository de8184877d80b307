/** Capability sets of containers: Docker's default of 14, changed by additions and drops, never more than we have ourselves. */
import { readFileSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';

/** In the order of their numbers (capabilities(7)). */
export const allCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

export const defaultCapabilities = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

export interface CapabilityWishes {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/** The container's capabilities. `available` is what this process may hand out. Throws for unknown names. */
export function chooseCapabilities(wishes: CapabilityWishes, available: readonly string[]): string[] {
  const add = wishes.add.map((name) => normalise(name, 'CapAdd'));
  const drop = wishes.drop.map((name) => normalise(name, 'CapDrop'));
  if (wishes.privileged) return [...available];
  const wanted = new Set(add.includes('ALL') ? available : drop.includes('ALL') ? [] : defaultCapabilities);
  for (const c of drop) wanted.delete(c);
  for (const c of add) if (c !== 'ALL') wanted.add(c);
  return allCapabilities.filter((c) => wanted.has(c) && available.includes(c));
}

/** The bounding set of this process. */
export function availableCapabilities(status: string = readFileSync('/proc/self/status', 'utf8')): string[] {
  const hex = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const bits = BigInt(`0x${hex}`);
  return allCapabilities.filter((_, i) => (bits >> BigInt(i)) & 1n);
}

function normalise(name: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = name.toUpperCase();
  if (upper === 'ALL') return upper;
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!allCapabilities.includes(full)) {
    throw new SwarmtsError('invalid-argument', `invalid ${field}: unknown capability: "${full}"`);
  }
  return full;
}
