/** Puts a container's configuration on top of its image's, by Docker's rules. Pure. */
import { posix } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { ImageConfig } from '../images/image-api.js';
import type { ContainerConfig, ExposedPort, HealthConfig, MountConfig } from './container-config.js';

export interface MergedConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** What the process gets, in Docker's order. */
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const DEFAULT_STOP_SIGNAL = 'SIGTERM';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** `machineName` is the hostname of the node: a container with the node's network is called the same. */
export function mergeConfig(
  id: string,
  config: ContainerConfig,
  image: ImageConfig,
  machineName: string,
): MergedConfig {
  const [entrypoint, cmd] = commandOf(config, image);
  const hostname = config.hostname || (config.networkMode === 'host' ? machineName : id.slice(0, 12));
  return {
    entrypoint,
    cmd,
    env: environmentOf(config, image, hostname),
    user: config.user || image.User || '',
    workingDir: workingDirOf(config.workingDir || image.WorkingDir || '/'),
    stopSignal: config.stopSignal || image.StopSignal || DEFAULT_STOP_SIGNAL,
    hostname,
    labels: { ...image.Labels, ...config.labels },
  };
}

/** An own entrypoint drops the image's command, unless it is empty; an own command keeps the image's entrypoint. */
function commandOf(config: ContainerConfig, image: ImageConfig): [readonly string[], readonly string[]] {
  const own = config.entrypoint;
  const entrypoint = own === undefined ? (image.Entrypoint ?? []) : own.length === 1 && own[0] === '' ? [] : own;
  const inherited = own === undefined || own.length === 0 ? (image.Cmd ?? []) : [];
  const cmd = config.cmd?.length ? config.cmd : inherited;
  if (entrypoint.length + cmd.length === 0) throw new SwarmtsError('invalid-argument', 'no command specified');
  return [entrypoint, cmd];
}

/** PATH and HOSTNAME first, then the container's own variables, then the image's that it does not set. */
function environmentOf(config: ContainerConfig, image: ImageConfig, hostname: string): string[] {
  const own = [...config.env];
  const named = new Set(own.map(keyOf));
  for (const e of image.Env ?? []) if (!named.has(keyOf(e))) own.push(e);
  return withVariables([`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`], own);
}

const DEFAULT_TERM = 'TERM=xterm';
/** It comes behind PATH and HOSTNAME. */
const TERM_AT = 2;

/** What a process gets that has a terminal or has none, whatever others of the container have. `own`: what the container itself says. */
export function withTerminal(env: readonly string[], own: readonly string[], tty: boolean): readonly string[] {
  if (own.some((e) => keyOf(e) === 'TERM')) return env;
  const others = env.filter((e) => e !== DEFAULT_TERM);
  return tty ? others.toSpliced(TERM_AT, 0, DEFAULT_TERM) : others;
}

/** Replaces in place or appends; "KEY" without "=" removes. */
export function withVariables(base: readonly string[], changes: readonly string[]): string[] {
  const out = [...base];
  for (const change of changes) {
    const at = out.findIndex((e) => keyOf(e) === keyOf(change));
    if (!change.includes('=')) {
      if (at >= 0) out.splice(at, 1);
    } else if (at >= 0) out[at] = change;
    else out.push(change);
  }
  return out;
}

/** What the image says that its containers listen at. */
export function exposedByImage(image: ImageConfig | undefined): readonly ExposedPort[] {
  return Object.keys(image?.ExposedPorts ?? {}).map((key) => {
    const [port = '', protocol = 'tcp'] = key.split('/');
    return { targetPort: Number(port), protocol: protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp' };
  });
}

/** Each port once. */
export function distinctPorts(ports: readonly ExposedPort[]): readonly ExposedPort[] {
  return [...new Map(ports.map((p) => [`${p.targetPort}/${p.protocol}`, p])).values()];
}

/** The health check that applies: the container's own fields over the image's, 0 for a default; undefined for none. */
export function healthOf(config: ContainerConfig, image: ImageConfig): HealthConfig | undefined {
  const own = config.health;
  const base = image.Healthcheck;
  const test = own && own.test.length > 0 ? own.test : (base?.Test ?? []);
  if (test.length === 0 || test[0] === 'NONE') return undefined;
  return {
    test,
    intervalNs: own?.intervalNs || base?.Interval || 0,
    timeoutNs: own?.timeoutNs || base?.Timeout || 0,
    startPeriodNs: own?.startPeriodNs || base?.StartPeriod || 0,
    startIntervalNs: own?.startIntervalNs || base?.StartInterval || 0,
    retries: own?.retries || base?.Retries || 0,
  };
}

/** The container's mounts plus anonymous volumes for those of the image that nothing covers. */
export function mountsOf(config: ContainerConfig, image: ImageConfig): MountConfig[] {
  const seen = new Set<string>();
  for (const m of config.mounts) {
    const target = cleanTarget(m.target, prefixOf(m));
    if (seen.has(target)) throw new SwarmtsError('invalid-argument', `Duplicate mount point: ${target}`);
    seen.add(target);
  }
  const own = config.mounts.map((m) => ({ ...m, target: cleanTarget(m.target), ...sharedLabel(m) }));
  const fromImage = Object.keys(image.Volumes ?? {})
    .map((target) => cleanTarget(target.startsWith('/') ? target : `/${target}`))
    .filter((target) => !seen.has(target))
    .map((target): MountConfig => ({ type: 'volume', source: '', target, readOnly: false, mode: '' }));
  return [...own, ...fromImage];
}

/** Docker labels volumes for all containers, but for those that nobody named in -v. */
function sharedLabel({ type, mode }: MountConfig): Pick<MountConfig, 'mode'> {
  return type === 'volume' && mode === undefined ? { mode: 'z' } : {};
}

export function checkName(name: string): void {
  if (NAME.test(name)) return;
  const allowed = '[a-zA-Z0-9][a-zA-Z0-9_.-]';
  throw new SwarmtsError('invalid-argument', `Invalid container name (${name}), only ${allowed} are allowed`);
}

/** What Docker says in front of a complaint about a mount; of --tmpfs it says nothing. */
function prefixOf({ type, tmpfsOptions, isListed }: MountConfig): string {
  return tmpfsOptions === undefined || isListed ? `invalid mount config for type "${type}": ` : '';
}

function cleanTarget(target: string, prefix = ''): string {
  if (!target.startsWith('/')) {
    const why = `invalid mount path: '${target}' mount path must be absolute`;
    throw new SwarmtsError('invalid-argument', prefix + why);
  }
  const parts: string[] = [];
  for (const p of target.split('/')) {
    if (p === '..') parts.pop();
    else if (p !== '' && p !== '.') parts.push(p);
  }
  if (parts.length === 0)
    throw new SwarmtsError('invalid-argument', `${prefix}invalid specification: destination can't be '/'`);
  return `/${parts.join('/')}`;
}

function workingDirOf(path: string): string {
  if (path.startsWith('/')) return posix.normalize(path).replace(/(.)\/$/, '$1');
  throw new SwarmtsError(
    'invalid-argument',
    `the working directory '${path}' is invalid, it needs to be an absolute path`,
  );
}

function keyOf(variable: string): string {
  return variable.split('=', 1)[0] ?? '';
}
