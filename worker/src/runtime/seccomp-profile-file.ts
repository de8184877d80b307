/** Seccomp profiles of users, in Docker's format: rules may depend on capabilities, architecture and kernel. Pure. */
import { SwarmtsError } from '@swarmts/lib';
import type { LinuxSeccomp, SeccompRule } from './oci-spec.js';

export interface ProfileFacts {
  readonly capabilities: readonly string[];
  /** As Go names it, "amd64". */
  readonly architecture: string;
  /** [6, 1] */
  readonly kernel: readonly [number, number];
}

interface Conditions {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  readonly minKernel?: string;
}

interface FileRule extends SeccompRule {
  readonly name?: string;
  readonly includes?: Conditions;
  readonly excludes?: Conditions;
}

interface ProfileFile {
  readonly defaultAction?: LinuxSeccomp['defaultAction'];
  readonly defaultErrnoRet?: number;
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] }[];
  readonly syscalls?: readonly FileRule[];
}

const NATIVE: Readonly<Record<string, string>> = {
  amd64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  riscv64: 'SCMP_ARCH_RISCV64',
  loong64: 'SCMP_ARCH_LOONGARCH64',
};

export function seccompFromProfile(text: string, facts: ProfileFacts): LinuxSeccomp {
  const file = parse(text);
  if (!file.defaultAction) throw bad('defaultAction is missing');
  const native = NATIVE[facts.architecture];
  const mapped = file.archMap?.find((a) => a.architecture === native);
  const architectures = mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : (file.architectures ?? []);
  const rules = (file.syscalls ?? []).filter((r) => applies(r, facts)).map(ruleOf);
  return {
    defaultAction: file.defaultAction,
    ...(file.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: file.defaultErrnoRet }),
    ...(file.flags?.length ? { flags: file.flags } : {}),
    ...(file.listenerPath ? { listenerPath: file.listenerPath } : {}),
    ...(file.listenerMetadata ? { listenerMetadata: file.listenerMetadata } : {}),
    architectures,
    syscalls: rules,
  };
}

function parse(text: string): ProfileFile {
  try {
    const value: unknown = JSON.parse(text);
    // The runtime checks names of actions and calls: it knows them, and says which one is wrong.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as ProfileFile;
  } catch (e) {
    throw bad(e instanceof Error ? e.message : 'not readable');
  }
  throw bad('not a JSON object');
}

function ruleOf(r: FileRule): SeccompRule {
  if (r.name !== undefined && r.names?.length > 0)
    throw bad("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
  const { name, includes: _in, excludes: _ex, ...rule } = r;
  return { ...rule, names: name === undefined ? r.names : [name] };
}

/** Every kind of condition that is named must hold; of excludes, none may. */
function applies(r: FileRule, f: ProfileFacts): boolean {
  const { includes = {}, excludes = {} } = r;
  const has = (c: string) => f.capabilities.includes(c);
  if (includes.caps?.some((c) => !has(c))) return false;
  if (includes.arches?.length && !includes.arches.includes(f.architecture)) return false;
  if (includes.minKernel && !atLeast(f.kernel, includes.minKernel)) return false;
  if (excludes.caps?.some(has)) return false;
  if (excludes.arches?.includes(f.architecture)) return false;
  return !(excludes.minKernel && atLeast(f.kernel, excludes.minKernel));
}

function atLeast(kernel: readonly [number, number], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}

function bad(why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `Decoding seccomp profile failed: ${why}`);
}
