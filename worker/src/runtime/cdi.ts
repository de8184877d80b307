/**
 * Devices by name as the Container Device Interface describes them (CNCF CDI 0.6): files in /etc/cdi and /var/run/cdi say what a
 * container with such a device gets. GPUs come this way.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, messageOf, SwarmtsError } from '@swarmts/lib';
import { type CdiFile, type FileEdits, parseCdiFile } from './cdi-file.js';
import { deviceNumbers } from './machine-facts.js';
import type { OciDevice, OciDeviceRule, OciHook, OciMount } from './oci-spec.js';

export const CDI_DIRECTORIES = ['/etc/cdi', '/var/run/cdi'];

export interface CdiEdits {
  readonly env: readonly string[];
  readonly devices: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
  readonly mounts: readonly OciMount[];
  readonly hooks: Readonly<Record<string, readonly OciHook[]>>;
}

export interface CdiDevices {
  /** Names of everything that is described, "vendor.com/class=name". */
  readonly devices: readonly string[];
  /** Of files that are left out, and why. */
  readonly warnings: readonly string[];
}

export function cdiDevices(directories: readonly string[] = CDI_DIRECTORIES): CdiDevices {
  const { files, warnings } = readFiles(directories);
  return { devices: files.flatMap((f) => f.devices.map((d) => `${f.kind}=${d.name}`)), warnings };
}

/** Throws Docker's message when one of the names is not described. */
export function cdiEdits(names: readonly string[], directories: readonly string[] = CDI_DIRECTORIES): CdiEdits {
  const { files, warnings } = names.length > 0 ? readFiles(directories) : { files: [], warnings: [] };
  const edits: FileEdits[] = [];
  const missing: string[] = [];
  const used = new Set<CdiFile>();
  for (const name of names) {
    const file = files.find((f) => f.devices.some((d) => `${f.kind}=${d.name}` === name));
    const device = file?.devices.find((d) => `${file.kind}=${d.name}` === name);
    if (!file || !device) {
      missing.push(name);
      continue;
    }
    if (!used.has(file)) edits.push(file.edits);
    used.add(file);
    edits.push(device.edits);
  }
  if (missing.length > 0) {
    const what = `CDI device injection failed: unresolvable CDI devices ${missing.join(', ')}`;
    throw new SwarmtsError('invalid-argument', [what, ...warnings].join('; '));
  }
  return together(edits);
}

function together(edits: readonly FileEdits[]): CdiEdits {
  const nodes = edits.flatMap((e) => e.deviceNodes).map((n) => ({ ...n, device: nodeOf(n) }));
  const hooks: Record<string, OciHook[]> = {};
  for (const { hookName, hook } of edits.flatMap((e) => e.hooks)) {
    hooks[hookName] = [...(hooks[hookName] ?? []), hook];
  }
  return {
    env: edits.flatMap((e) => e.env),
    devices: nodes.map((n) => n.device),
    rules: nodes.map(({ device: { type, major, minor }, permissions }) => ({
      allow: true,
      type,
      major,
      minor,
      access: permissions,
    })),
    mounts: edits
      .flatMap((e) => e.mounts)
      .map((m) => ({
        destination: m.containerPath,
        type: 'bind',
        source: m.hostPath,
        options: m.options ?? ['rbind', 'ro', 'nosuid', 'nodev'],
      })),
    hooks,
  };
}

function nodeOf(node: FileEdits['deviceNodes'][number]): OciDevice {
  const source = node.hostPath ?? node.path;
  try {
    const s = statSync(source);
    const { major, minor } = deviceNumbers(s.rdev);
    const type = s.isBlockDevice() ? 'b' : 'c';
    return { path: node.path, type, major, minor, fileMode: s.mode & 0o777, uid: s.uid, gid: s.gid };
  } catch (e) {
    const what = `CDI device injection failed: failed to stat CDI host device "${source}": ${errnoOf(e)}`;
    throw new SwarmtsError('invalid-argument', what);
  }
}

/** A file that cannot be read describes nothing, as everywhere in CDI. */
function readFiles(directories: readonly string[]): { readonly files: CdiFile[]; readonly warnings: string[] } {
  const [files, warnings]: [CdiFile[], string[]] = [[], []];
  for (const directory of directories) {
    for (const name of namesIn(directory)) {
      if (!/\.(json|ya?ml)$/.test(name)) continue;
      const path = join(directory, name);
      try {
        files.push(parseCdiFile(readFileSync(path, 'utf8')));
      } catch (e) {
        warnings.push(`CDI: ${path} is left out: ${messageOf(e).split('\n')[0]}`);
      }
    }
  }
  return { files, warnings };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
