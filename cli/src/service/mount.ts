/** `--mount`: comma separated `key=value` pairs (quotes keep commas), as the API's mount. Pure. */
import { parseBool } from '../args/flag.js';
import { parseBytes } from '../args/quantity.js';
import type { Mount } from '../engine-types.js';
import { bindRecursion, checkRecursion } from './bind-recursion.js';

const TYPES = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image'];

/** A line of CSV as `--mount`, `--secret` and others use it: a field may be quoted, a doubled quote is one quote. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  const field = /(?:^|,)(?:"((?:[^"]|"")*)"(?=,|$)|([^,]*))/g;
  if (text === '') return [];
  for (const m of text.matchAll(field)) fields.push(m[1] === undefined ? (m[2] ?? '') : m[1].replaceAll('""', '"'));
  return fields;
}

interface Parts {
  mount: { -readonly [K in keyof Mount]: Mount[K] };
  volume: {
    NoCopy?: boolean;
    Subpath?: string;
    labels: Record<string, string>;
    driver?: string;
    options: Record<string, string>;
  };
  bind: { -readonly [K in keyof NonNullable<Mount['BindOptions']>]: NonNullable<Mount['BindOptions']>[K] };
  tmpfs: { SizeBytes?: number; Mode?: number };
  image: { Subpath?: string };
}

export function parseMount(text: string): Mount {
  const p: Parts = { mount: { Type: 'volume' }, volume: { labels: {}, options: {} }, bind: {}, tmpfs: {}, image: {} };
  for (const field of csvFields(text)) {
    const eq = field.indexOf('=');
    const key = (eq < 0 ? field : field.slice(0, eq)).toLowerCase();
    if (eq < 0 && !['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive'].includes(key)) {
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    }
    setField(p, key, eq < 0 ? 'true' : field.slice(eq + 1));
  }
  return checked(p);
}

function setField(p: Parts, key: string, value: string): void {
  const { mount, volume, bind, tmpfs, image } = p;
  switch (key) {
    case 'type':
      if (!TYPES.includes(value.toLowerCase())) throw new Error(`invalid mount type: ${value}`);
      mount.Type = value.toLowerCase();
      return;
    case 'source':
    case 'src':
      mount.Source = value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.Target = value;
      return;
    case 'readonly':
    case 'ro':
      mount.ReadOnly = boolean(key, value);
      return;
    case 'consistency':
      mount.Consistency = value.toLowerCase();
      return;
    case 'bind-propagation':
      bind.Propagation = value.toLowerCase();
      return;
    case 'bind-nonrecursive':
      bind.NonRecursive = boolean(key, value);
      return;
    case 'bind-recursive':
      Object.assign(bind, bindRecursion(key, value));
      return;
    case 'volume-nocopy':
      volume.NoCopy = boolean(key, value);
      return;
    case 'volume-subpath':
      volume.Subpath = value;
      return;
    case 'image-subpath':
      image.Subpath = value;
      return;
    case 'volume-label':
      Object.assign(volume.labels, pair(value));
      return;
    case 'volume-driver':
      volume.driver = value;
      return;
    case 'volume-opt':
      Object.assign(volume.options, pair(value));
      return;
    case 'tmpfs-size':
      tmpfs.SizeBytes = size(key, value);
      return;
    case 'tmpfs-mode':
      if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
      tmpfs.Mode = Number.parseInt(value, 8);
      return;
    default:
      throw new Error(`unexpected key '${key}' in '${key}=${value}'`);
  }
}

const RECURSION_WORDS = { recursive: 'bind-recursive=', readOnly: 'readonly', propagation: 'bind-propagation=' };

function boolean(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function size(key: string, value: string): number {
  try {
    return parseBytes(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function pair(value: string): Record<string, string> {
  const eq = value.indexOf('=');
  return eq < 0 ? { [value]: '' } : { [value.slice(0, eq)]: value.slice(eq + 1) };
}

function checked({ mount, volume, bind, tmpfs, image }: Parts): Mount {
  const hasLabels = Object.keys(volume.labels).length > 0;
  const hasDriver = volume.driver !== undefined || Object.keys(volume.options).length > 0;
  const hasVolume = volume.NoCopy !== undefined || volume.Subpath !== undefined || hasLabels || hasDriver;
  const hasBind = Object.keys(bind).length > 0;
  const hasImage = Object.keys(image).length > 0;
  const hasTmpfs = Object.keys(tmpfs).length > 0;
  if (!mount.Target) throw new Error('target is required');
  if (mount.Type === 'bind' && !mount.Source) throw new Error('source is required when using bind mounts');
  if (hasVolume && mount.Type !== 'volume')
    throw new Error(`cannot mix 'volume-*' options with mount type '${mount.Type}'`);
  if (hasBind && mount.Type !== 'bind') throw new Error(`cannot mix 'bind-*' options with mount type '${mount.Type}'`);
  if (hasTmpfs && mount.Type !== 'tmpfs')
    throw new Error(`cannot mix 'tmpfs-*' options with mount type '${mount.Type}'`);
  if (hasImage && mount.Type !== 'image')
    throw new Error(`cannot mix 'image-*' options with mount type '${mount.Type}'`);
  checkRecursion(bind, mount.ReadOnly ?? false, RECURSION_WORDS);
  return {
    ...mount,
    ...(hasBind ? { BindOptions: bind } : {}),
    ...(hasTmpfs ? { TmpfsOptions: tmpfs } : {}),
    ...(hasImage ? { ImageOptions: image } : {}),
    ...(hasVolume
      ? {
          VolumeOptions: {
            ...(volume.NoCopy === undefined ? {} : { NoCopy: volume.NoCopy }),
            ...(volume.Subpath === undefined ? {} : { Subpath: volume.Subpath }),
            ...(hasLabels ? { Labels: volume.labels } : {}),
            ...(hasDriver ? { DriverConfig: { Name: volume.driver ?? '', Options: volume.options } } : {}),
          },
        }
      : {}),
  };
}
