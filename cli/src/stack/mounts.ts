/** Mounts of a service of a stack: named volumes are the stack's own unless they are external or have a name. */

import { messageOf } from '@swarmts/lib';
import { parseBytes } from '../args/quantity.js';
import { withoutNulls } from '../compose/dictionary.js';
import type { ComposeService, ComposeVolume, VolumeMount } from '../compose/model.js';
import type { Mount } from '../engine-types.js';
import { bindRecursion, checkRecursion } from '../service/bind-recursion.js';
import { defined, nonEmptyMap } from '../service/edit.js';
import { NAMESPACE_LABEL, scoped } from './names.js';

export function mountsOf(
  s: ComposeService,
  stack: string,
  volumes: Readonly<Record<string, ComposeVolume>>,
): readonly Mount[] {
  const targets = new Set<string>();
  const mounts = [...(s.volumes ?? []).map((v) => mountOf(v, stack, volumes)), ...(s.tmpfs ?? []).map(tmpfsOf)];
  for (const { Target: target = '' } of mounts) {
    if (targets.has(target)) throw new Error(`duplicate mount target: ${target}`);
    targets.add(target);
  }
  return mounts;
}

function mountOf(m: VolumeMount, stack: string, volumes: Readonly<Record<string, ComposeVolume>>): Mount {
  const common = defined({ Type: m.type, Target: m.target, ReadOnly: m.read_only, Consistency: m.consistency });
  if (m.type === 'bind') {
    if (!m.source) throw new Error(`the bind mount at ${m.target} has no source`);
    const options = bindOptions(m);
    return { ...common, Source: m.source, ...(Object.keys(options).length > 0 ? { BindOptions: options } : {}) };
  }
  if (m.type === 'tmpfs') {
    const options = defined({
      SizeBytes: m.tmpfs?.size === undefined ? undefined : parseBytes(String(m.tmpfs.size)),
      Mode: typeof m.tmpfs?.mode === 'string' ? Number.parseInt(m.tmpfs.mode, 8) : m.tmpfs?.mode,
    });
    return { ...common, ...(Object.keys(options).length > 0 ? { TmpfsOptions: options } : {}) };
  }
  if (m.type === 'cluster') return { ...common, Source: clusterSource(m, stack, volumes) };
  if (m.type !== 'volume')
    throw new Error(`mounts of type ${m.type} are not supported: use volume, cluster, bind or tmpfs`);
  if (m.source === undefined) return common;
  const volume = volumes[m.source];
  const name = volumeName(m.source, stack, volume);
  if (volume?.external) return { ...common, Source: name, ...volumeOptions(m, {}) };
  const driver =
    volume?.driver || volume?.driver_opts
      ? { Name: volume.driver ?? '', Options: withoutNulls(volume.driver_opts) }
      : undefined;
  const labels = { ...withoutNulls(volume?.labels), ...withoutNulls(m.volume?.labels), [NAMESPACE_LABEL]: stack };
  return {
    ...common,
    Source: name,
    ...volumeOptions(m, defined({ Labels: nonEmptyMap(labels), DriverConfig: driver })),
  };
}

const RECURSION_WORDS = {
  recursive: 'bind.recursive: ',
  readOnly: 'read_only: true',
  propagation: 'bind.propagation: ',
};

function bindOptions({ target, bind = {}, read_only }: VolumeMount): NonNullable<Mount['BindOptions']> {
  try {
    const recursion = bind.recursive === undefined ? {} : bindRecursion('bind.recursive', bind.recursive);
    const options = { ...defined({ Propagation: bind.propagation }), ...recursion };
    checkRecursion(options, read_only ?? false, RECURSION_WORDS);
    return options;
  } catch (e) {
    throw new Error(`the bind mount at ${target}: ${messageOf(e)}`);
  }
}

export function volumeName(key: string, stack: string, volume: ComposeVolume | undefined): string {
  return volume?.name ?? (volume?.external ? key : scoped(stack, key));
}

/** A volume of the file, or "group:NAME" for any of a group. */
function clusterSource(m: VolumeMount, stack: string, volumes: Readonly<Record<string, ComposeVolume>>): string {
  const { source = '' } = m;
  if (source.startsWith('group:')) return source;
  const volume = volumes[source];
  if (!volume) throw new Error(`the mount at ${m.target} names no volume of the file: ${source || '(none)'}`);
  return volumeName(source, stack, volume);
}

function volumeOptions(m: VolumeMount, more: object): Pick<Mount, 'VolumeOptions'> {
  const options = { ...defined({ NoCopy: m.volume?.nocopy }), ...more };
  return Object.keys(options).length === 0 ? {} : { VolumeOptions: options };
}

/** "/run:size=64m,mode=1770". */
function tmpfsOf(text: string): Mount {
  const colon = text.indexOf(':');
  const target = colon < 0 ? text : text.slice(0, colon);
  const options: { SizeBytes?: number; Mode?: number } = {};
  for (const o of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const [key, value = ''] = o.split('=');
    if (key === 'size') options.SizeBytes = parseBytes(value);
    else if (key === 'mode') options.Mode = Number.parseInt(value, 8);
    else throw new Error(`unknown option ${o} of tmpfs ${target}: use size and mode`);
  }
  return { Type: 'tmpfs', Target: target, ...(Object.keys(options).length > 0 ? { TmpfsOptions: options } : {}) };
}
