/** -v, --mount, --tmpfs and --volumes-from of containers, as clients send them. */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerMountWish } from '../backend.js';
import type { JsonObject } from '../json/object.js';
import { readTmpfsWords } from './tmpfs-words.js';

const PROPAGATIONS = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'];
/** One of each kind at most. */
const MODES = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], ['consistent', 'cached', 'delegated'], PROPAGATIONS];

export function readMounts(o: JsonObject, host: JsonObject | undefined): ContainerMountWish[] {
  const driver = host?.string('VolumeDriver') ?? '';
  const named = [
    ...(host?.strings('Binds') ?? []).map((b) => bindOf(b, driver)),
    ...(host?.objects('Mounts') ?? []).map(mountOf),
    ...tmpfsOf(host),
  ];
  const taken = new Set(named.map((m) => clean(m.target)));
  const anonymous = Object.keys(o.object('Volumes')?.value ?? {})
    .filter((target) => !taken.has(clean(target)))
    // Docker takes what is not absolute from the root on; its client sends "v:/data" here, for a drive of Windows.
    .map((target) => (target.startsWith('/') ? target : `/${target}`))
    .map((target): ContainerMountWish => ({ type: 'volume', source: '', target, readOnly: false, mode: '' }));
  return [...named, ...anonymous];
}

const clean = (path: string) => path.replace(/\/+$/, '');

/** "source:target:mode", as -v takes it. */
function bindOf(text: string, driver: string): ContainerMountWish {
  const parts = text.split(':');
  const [source = '', target = '', mode = ''] = parts;
  const invalid = (why = '') => new SwarmtsError('invalid-argument', `invalid volume specification: '${text}'${why}`);
  if (parts.length > 3 || source === '') throw invalid();
  if (parts.length === 1) {
    if (!source.startsWith('/')) throw invalid();
    return { type: 'volume', source: '', target: source, readOnly: false, mode: '' };
  }
  const options = mode === '' ? [] : mode.split(',');
  const isKnown = options.every((o) => MODES.some((kind) => kind.includes(o)));
  if (!isKnown || MODES.some((kind) => options.filter((o) => kind.includes(o)).length > 1))
    throw new SwarmtsError('invalid-argument', `invalid mode: ${mode}`);
  const type = source.startsWith('/') ? 'bind' : 'volume';
  if (!target.startsWith('/')) {
    throw invalid(
      `: invalid mount config for type "${type}": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  if (clean(target) === '')
    throw invalid(`: invalid mount config for type "${type}": invalid specification: destination can't be '/'`);
  const propagation = options.find((o) => PROPAGATIONS.includes(o));
  const foreign = type === 'bind' ? options.includes('nocopy') && 'VolumeOptions' : propagation && 'BindOptions';
  if (foreign) throw invalid(`: invalid mount config for type "${type}": field ${foreign} must not be specified`);
  return {
    type,
    source,
    target,
    readOnly: options.includes('ro'),
    ...(type === 'volume' && mode === '' ? {} : { mode }),
    ...(type === 'bind' ? { bindCreateSource: true } : {}),
    ...(propagation ? { propagation } : {}),
    ...(options.includes('nocopy') ? { volumeNoCopy: true } : {}),
    ...(type === 'volume' && driver !== '' ? { volumeDriver: driver } : {}),
  };
}

function mountOf(m: JsonObject): ContainerMountWish {
  const kinds = { bind: 'bind', volume: 'volume', tmpfs: 'tmpfs', image: 'image' } as const;
  const given = m.string('Type');
  if (given !== '' && !(given in kinds)) {
    throw new SwarmtsError('invalid-argument', `invalid mount config for type "${given}": mount type unknown`);
  }
  const type = m.oneOf<ContainerMountWish['type']>('Type', kinds, 'volume');
  const [bind, volume, tmpfs] = [m.object('BindOptions'), m.object('VolumeOptions'), m.object('TmpfsOptions')];
  const wrong = (why: string) =>
    new SwarmtsError('invalid-argument', `invalid mount config for type "${type}": ${why}`);
  const driver = volume?.object('DriverConfig');
  const propagation = bind?.string('Propagation') ?? '';
  if (m.string('Target') === '') throw wrong('field Target must not be empty');
  const image = m.object('ImageOptions');
  if ((type === 'bind' || type === 'image') && m.string('Source') === '') throw wrong('field Source must not be empty');
  if (type === 'volume' && m.string('Source') === '' && m.boolean('ReadOnly'))
    throw wrong('must not set ReadOnly mode when using anonymous volumes');
  if (type === 'tmpfs' && m.string('Source') !== '') throw wrong('field Source must not be specified');
  for (const [name, options] of [
    ['bind', bind],
    ['volume', volume],
    ['tmpfs', tmpfs],
    ['image', image],
  ] as const) {
    if (options && name !== type && Object.keys(options.value).length > 0) {
      throw wrong(`field ${name.charAt(0).toUpperCase()}${name.slice(1)}Options must not be specified`);
    }
  }
  return {
    type,
    source: m.string('Source'),
    target: m.string('Target'),
    readOnly: m.boolean('ReadOnly'),
    ...(propagation ? { propagation } : {}),
    ...(bind?.boolean('NonRecursive') ? { bindNonRecursive: true } : {}),
    ...(bind?.boolean('ReadOnlyNonRecursive') ? { bindReadOnlyNonRecursive: true } : {}),
    ...(bind?.boolean('ReadOnlyForceRecursive') ? { bindReadOnlyForceRecursive: true } : {}),
    ...(bind?.boolean('CreateMountpoint') ? { bindCreateSource: true } : {}),
    ...(volume?.boolean('NoCopy') ? { volumeNoCopy: true } : {}),
    ...(volume?.has('Labels') ? { volumeLabels: volume.map('Labels') } : {}),
    ...(volume?.string('Subpath') ? { volumeSubpath: volume.string('Subpath') } : {}),
    ...(image?.string('Subpath') ? { imageSubpath: image.string('Subpath') } : {}),
    ...(driver?.string('Name') ? { volumeDriver: driver.string('Name') } : {}),
    ...(driver?.has('Options') ? { volumeOptions: driver.map('Options') } : {}),
    ...(tmpfs?.has('SizeBytes') ? { tmpfsSizeBytes: tmpfs.unsigned('SizeBytes') } : {}),
    ...(tmpfs?.has('Options') ? { tmpfsOptions: readTmpfsWords(tmpfs), isListed: true } : {}),
    ...(tmpfs?.has('Mode') ? { tmpfsMode: tmpfs.unsigned('Mode') } : {}),
  };
}

function tmpfsOf(host: JsonObject | undefined): ContainerMountWish[] {
  return Object.entries(host?.map('Tmpfs') ?? {}).map(([target, options]) => ({
    type: 'tmpfs',
    source: '',
    target,
    readOnly: false,
    tmpfsOptions: options === '' ? [] : options.split(','),
  }));
}
