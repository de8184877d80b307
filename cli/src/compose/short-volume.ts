/** Mounts of a service: [SOURCE:]TARGET[:OPTIONS], or the long form. Sources that begin with a dot, a tilde or a slash are paths. */
import { dictionary } from './dictionary.js';
import type { VolumeMount } from './model.js';

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Options that say nothing on this platform, or what is the case anyway. */
const IGNORED = ['z', 'Z', 'cached', 'delegated', 'consistent', 'rw'];

export function parseVolume(value: unknown, absolute: (path: string) => string): VolumeMount {
  if (typeof value === 'string') return shortForm(value, absolute);
  // The schema has been checked.
  const mount = value as VolumeMount;
  if (!mount.target) throw new Error('a mount needs a target');
  const labels = mount.volume?.labels;
  return {
    ...mount,
    ...(mount.type === 'bind' && mount.source !== undefined ? { source: absolute(mount.source) } : {}),
    ...(labels === undefined ? {} : { volume: { ...mount.volume, labels: dictionary(labels) } }),
  };
}

function shortForm(text: string, absolute: (path: string) => string): VolumeMount {
  const parts = text.split(':');
  if (parts.length > 3 || parts.some((p) => p === ''))
    throw new Error(`invalid mount ${text}: use [SOURCE:]TARGET[:OPTIONS]`);
  const [first = '', second, third] = parts;
  if (second === undefined) return { type: 'volume', target: checkTarget(first, text) };
  const target = checkTarget(second, text);
  const isPath = /^[./~]/.test(first);
  const options = readOptions(third?.split(',') ?? [], text);
  const common = { target, ...(options.readOnly ? { read_only: true } : {}) };
  if (isPath) {
    const bind = { create_host_path: true, ...(options.propagation ? { propagation: options.propagation } : {}) };
    return { type: 'bind', source: absolute(first), ...common, bind };
  }
  return { type: 'volume', source: first, ...common, ...(options.nocopy ? { volume: { nocopy: true } } : {}) };
}

function checkTarget(target: string, whole: string): string {
  if (target.startsWith('/')) return target;
  throw new Error(`invalid mount ${whole}: the target ${target} must be an absolute path`);
}

function readOptions(options: readonly string[], whole: string) {
  const out: { readOnly?: boolean; nocopy?: boolean; propagation?: string } = {};
  for (const o of options) {
    if (o === 'ro') out.readOnly = true;
    else if (o === 'nocopy') out.nocopy = true;
    else if (PROPAGATIONS.includes(o)) out.propagation = o;
    else if (!IGNORED.includes(o)) throw new Error(`unknown option ${o} in mount ${whole}`);
  }
  return out;
}
