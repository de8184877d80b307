/**
 * What services can do here beyond Docker's spec, as labels: Docker's clients keep labels when they read, change and write whole specs, and
 * stack files can set them. Every label is checked when a service is stored; an unknown one is refused, lest a typing error go unnoticed.
 * What is stored already is read as far as it is understood: a manager of another release may have let in what this one does not know.
 */
import { isIP } from 'node:net';
import { isSwarmtsError, messageOf, parseDurationNs, parseSizeBytes, SwarmtsError } from '@swarmts/lib';
import { MAX_REPLICAS } from './limits.js';

export const EXTENSION_PREFIX = 'swarmts.';

export const extensionLabels = {
  progressDeadline: 'swarmts.update.progress-deadline',
  schedule: 'swarmts.schedule',
  scheduleTimezone: 'swarmts.schedule.timezone',
  scheduleConcurrency: 'swarmts.schedule.concurrency',
  autoscale: 'swarmts.autoscale',
  rebalance: 'swarmts.rebalance',
  pinVolumes: 'swarmts.volumes.pin',
  preferLocal: 'swarmts.publish.prefer-local',
  privileged: 'swarmts.privileged',
  userns: 'swarmts.userns',
  shmSize: 'swarmts.shm-size',
  devices: 'swarmts.devices',
  gpus: 'swarmts.gpus',
  securityOpt: 'swarmts.security-opt',
  hostIp: 'swarmts.publish.host-ip',
  secretEnv: 'swarmts.secrets.env',
} as const;

const KNOWN: ReadonlySet<string> = new Set(Object.values(extensionLabels));

/** What a run of a scheduled job that is due does while the run before goes on. */
export type ScheduleConcurrency = 'forbid' | 'replace';

export interface Schedule {
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** IANA name. */
  readonly timezone: string;
  readonly concurrency: ScheduleConcurrency;
}

export interface Autoscale {
  readonly min: number;
  readonly max: number;
  /** Percent of what a task may use that is aimed at; undefined = not looked at. */
  readonly cpuPercent?: number;
  readonly memoryPercent?: number;
  /** More tasks only when that has been asked for so long, fewer likewise. */
  readonly upWindowMs: number;
  readonly downWindowMs: number;
}

export interface ServiceExtensions {
  readonly progressDeadlineMs: number;
  readonly schedule?: Schedule;
  readonly autoscale?: Autoscale;
  readonly rebalance: boolean;
  /** A slot stays with the node that has its volumes. */
  readonly pinVolumes: boolean;
}

/** Changes of these need new containers. */
export interface ContainerExtensions {
  readonly privileged: boolean;
  /** The ids of the machine, also on nodes that give containers others. */
  readonly hostIds: boolean;
  /** 0 = the engine's default. */
  readonly shmSizeBytes: number;
  readonly devices: readonly DeviceRequest[];
  /** Names of CDI devices. */
  readonly cdiDevices: readonly string[];
  readonly security: SecurityOptions;
  /** By target port and protocol, "80/tcp": the address that a host-mode port listens on. */
  readonly hostIps: Readonly<Record<string, string>>;
  /** By variable: the name of the service's secret that it holds. */
  readonly secretEnv: Readonly<Record<string, string>>;
}

export interface DeviceRequest {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Of "rwm". */
  readonly permissions: string;
}

export interface SecurityOptions {
  readonly noNewPrivileges?: boolean;
  readonly seccompUnconfined?: boolean;
  readonly apparmorProfile?: string;
}

const PROGRESS_DEADLINE_MS = 600_000;
const UP_WINDOW_MS = 30_000;
const DOWN_WINDOW_MS = 300_000;

type Labels = Readonly<Record<string, string>>;

/** For what is to be stored. Throws SwarmtsError 'invalid-argument' naming label and value. */
export function readExtensions(labels: Labels): ServiceExtensions {
  for (const name of Object.keys(labels)) {
    if (name.startsWith(EXTENSION_PREFIX) && !KNOWN.has(name))
      throw new SwarmtsError(
        'invalid-argument',
        `unknown label ${name}: those that begin with ${EXTENSION_PREFIX} are ${[...KNOWN].join(', ')}`,
      );
  }
  readContainerExtensions(labels);
  preferLocalPorts(labels);
  return extensionsBy((read) => read(), labels);
}

/** Of a service that is stored: a label that this release does not understand is as if it were not there. */
export function extensionsOf(labels: Labels): ServiceExtensions {
  return extensionsBy(understood, labels);
}

/** Why this release does not understand all of the labels; undefined when it does. */
export function extensionProblem(labels: Labels): string | undefined {
  try {
    readExtensions(labels);
    return undefined;
  } catch (e) {
    return messageOf(e);
  }
}

/** What `read` makes of labels, `none` where it refuses them. */
export function understood<T>(read: () => T, none: T): T {
  try {
    return read();
  } catch (e) {
    if (!isSwarmtsError(e, 'invalid-argument')) throw e;
    return none;
  }
}

type Part = <T>(read: () => T, none: T) => T;

function extensionsBy(part: Part, labels: Labels): ServiceExtensions {
  const schedule = part(() => readSchedule(labels), undefined);
  const autoscale = part(() => readAutoscale(labels), undefined);
  return {
    progressDeadlineMs: part(() => readDeadline(labels), PROGRESS_DEADLINE_MS),
    ...(schedule ? { schedule } : {}),
    ...(autoscale ? { autoscale } : {}),
    rebalance: part(() => readWord(labels, extensionLabels.rebalance, ['auto', 'off']), undefined) === 'auto',
    pinVolumes: part(() => pinsVolumes(labels), false),
  };
}

function readDeadline(labels: Labels): number {
  const deadline = labels[extensionLabels.progressDeadline];
  return deadline === undefined ? PROGRESS_DEADLINE_MS : duration(extensionLabels.progressDeadline, deadline);
}

/** Asked for every task that is made: without the checks of the other labels. */
export function pinsVolumes(labels: Labels): boolean {
  return readWord(labels, extensionLabels.pinVolumes, ['true', 'false']) === 'true';
}

export function readContainerExtensions(labels: Labels): ContainerExtensions {
  const shm = labels[extensionLabels.shmSize];
  return {
    privileged: readWord(labels, extensionLabels.privileged, ['true', 'false']) === 'true',
    hostIds: readWord(labels, extensionLabels.userns, ['host']) === 'host',
    shmSizeBytes: shm === undefined ? 0 : checked(extensionLabels.shmSize, shm, parseSizeBytes),
    devices: listOf(labels, extensionLabels.devices).map(readDevice),
    cdiDevices: readGpus(labels[extensionLabels.gpus]),
    security: readSecurity(listOf(labels, extensionLabels.securityOpt)),
    hostIps: Object.fromEntries(listOf(labels, extensionLabels.hostIp).map(readHostIp)),
    secretEnv: Object.fromEntries(listOf(labels, extensionLabels.secretEnv).map(readSecretEnv)),
  };
}

function listOf(labels: Labels, label: string): readonly string[] {
  const value = labels[label];
  return value === undefined || value === '' ? [] : value.split(',').map((part) => part.trim());
}

/** SOURCE[:TARGET[:PERMISSIONS]], or SOURCE:PERMISSIONS. */
function readDevice(text: string): DeviceRequest {
  const [hostPath = '', second, third] = text.split(':');
  const isMode = (t: string | undefined) => t !== undefined && /^[rwm]{1,3}$/.test(t);
  const [containerPath, permissions] =
    third === undefined && isMode(second) ? [hostPath, second] : [second ?? hostPath, third ?? 'rwm'];
  if (
    !hostPath.startsWith('/') ||
    !containerPath?.startsWith('/') ||
    !isMode(permissions) ||
    text.split(':').length > 3
  )
    throw bad(extensionLabels.devices, text, 'use /dev/SOURCE[:/dev/TARGET[:rwm]]');
  return { hostPath, containerPath, permissions: permissions ?? 'rwm' };
}

/** More than any machine has: each is listed by its name. */
export const MAX_GPUS = 128;

/** "all", a number, or names of CDI devices. */
function readGpus(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return [];
  if (text === 'all') return ['nvidia.com/gpu=all'];
  if (/^\d+$/.test(text)) {
    if (Number(text) > MAX_GPUS) throw bad(extensionLabels.gpus, text, `use all, or at most ${MAX_GPUS}`);
    return Array.from({ length: Number(text) }, (_, i) => `nvidia.com/gpu=${i}`);
  }
  const names = text.split(',').map((n) => n.trim());
  if (names.every((n) => /^[\w.-]+\/[\w.-]+=[\w.:-]+$/.test(n))) return names;
  throw bad(extensionLabels.gpus, text, 'use all, a number, or names of CDI devices such as vendor.com/gpu=0');
}

function readSecurity(options: readonly string[]): SecurityOptions {
  let out: SecurityOptions = {};
  for (const option of options) {
    if (option === 'no-new-privileges' || option === 'no-new-privileges=true') out = { ...out, noNewPrivileges: true };
    else if (option === 'seccomp=unconfined') out = { ...out, seccompUnconfined: true };
    else if (option.startsWith('apparmor=')) out = { ...out, apparmorProfile: option.slice('apparmor='.length) };
    else
      throw bad(extensionLabels.securityOpt, option, 'use no-new-privileges, seccomp=unconfined or apparmor=PROFILE');
  }
  return out;
}

/** Published ports that keep to the tasks of the node that was asked, as "<target>/<protocol>". */
export function preferLocalPorts(labels: Labels): ReadonlySet<string> {
  return new Set(listOf(labels, extensionLabels.preferLocal).map(readPreferLocal));
}

/** TARGET[/PROTOCOL]. */
function readPreferLocal(text: string): string {
  const m = /^(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (!m) throw bad(extensionLabels.preferLocal, text, 'use PORT[/PROTOCOL], the port being the target');
  return `${Number(m[1])}/${m[2] ?? 'tcp'}`;
}

/** TARGET[/PROTOCOL]=ADDRESS. */
function readHostIp(text: string): readonly [string, string] {
  const m = /^(\d+)(?:\/(tcp|udp|sctp))?=(.+)$/.exec(text);
  const [, port = '', protocol = 'tcp', address = ''] = m ?? [];
  if (!m || isIP(address) === 0)
    throw bad(extensionLabels.hostIp, text, 'use PORT[/PROTOCOL]=ADDRESS, the port being the target');
  return [`${Number(port)}/${protocol}`, address];
}

/** VARIABLE=SECRET. */
function readSecretEnv(text: string): readonly [string, string] {
  const [, variable = '', secret = ''] = /^([A-Za-z_]\w*)=([\w.-]+)$/.exec(text) ?? [];
  if (secret === '') throw bad(extensionLabels.secretEnv, text, 'use VARIABLE=SECRET');
  return [variable, secret];
}

function bad(label: string, value: string, way: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `invalid label ${label}=${value}: ${way}`);
}

function checked<T>(label: string, value: string, parse: (text: string) => T): T {
  try {
    return parse(value);
  } catch (e) {
    throw bad(label, value, e instanceof Error ? e.message : String(e));
  }
}

function duration(label: string, value: string): number {
  const ms = checked(label, value, parseDurationNs) / 1e6;
  if (ms <= 0) throw bad(label, value, 'the duration must be positive');
  return ms;
}

function readWord(labels: Labels, label: string, words: readonly string[]): string | undefined {
  const value = labels[label];
  if (value !== undefined && !words.includes(value)) throw bad(label, value, `use ${words.join(' or ')}`);
  return value;
}

function readSchedule(labels: Labels): Schedule | undefined {
  const cron = labels[extensionLabels.schedule];
  const timezone = labels[extensionLabels.scheduleTimezone];
  const concurrency = readWord(labels, extensionLabels.scheduleConcurrency, ['forbid', 'replace']);
  if (cron === undefined) {
    const other = [extensionLabels.scheduleTimezone, extensionLabels.scheduleConcurrency].find(
      (l) => labels[l] !== undefined,
    );
    if (other) throw bad(other, labels[other] ?? '', `it means nothing without ${extensionLabels.schedule}`);
    return undefined;
  }
  if (timezone !== undefined) checked(extensionLabels.scheduleTimezone, timezone, checkTimezone);
  return { cron, timezone: timezone ?? 'UTC', concurrency: concurrency === 'replace' ? 'replace' : 'forbid' };
}

function checkTimezone(name: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    throw new Error('use a name of the IANA time zone database, such as Europe/Berlin');
  }
}

/** "min=2,max=20,cpu=60,memory=70,up=30s,down=5m"; percents may have their sign. */
function readAutoscale(labels: Labels): Autoscale | undefined {
  const label = extensionLabels.autoscale;
  const text = labels[label];
  if (text === undefined) return undefined;
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const [key = '', value = ''] = part.split('=', 2).map((x) => x.trim());
    if (!['min', 'max', 'cpu', 'memory', 'up', 'down'].includes(key) || value === '' || fields.has(key))
      throw bad(
        label,
        text,
        `${part || 'an empty part'} is not one of min=N, max=N, cpu=PERCENT, memory=PERCENT, up=DURATION, down=DURATION`,
      );
    fields.set(key, value);
  }
  const count = (key: string) => {
    const n = Number(fields.get(key));
    if (!Number.isInteger(n) || n < 1 || n > MAX_REPLICAS)
      throw bad(label, text, `${key} must be given, 1 to ${MAX_REPLICAS}`);
    return n;
  };
  const percent = (key: string) => {
    const value = fields.get(key);
    if (value === undefined) return undefined;
    const n = Number(value.replace(/%$/, ''));
    if (!(n > 0 && n <= 1000)) throw bad(label, text, `${key} must be a percentage above 0`);
    return n;
  };
  const window = (key: string, otherwise: number) => {
    const value = fields.get(key);
    return value === undefined ? otherwise : duration(label, value);
  };
  const [min, max, cpuPercent, memoryPercent] = [count('min'), count('max'), percent('cpu'), percent('memory')];
  if (max < min) throw bad(label, text, 'max is below min');
  if (cpuPercent === undefined && memoryPercent === undefined)
    throw bad(label, text, 'at least one of cpu and memory must be given');
  return {
    min,
    max,
    ...(cpuPercent === undefined ? {} : { cpuPercent }),
    ...(memoryPercent === undefined ? {} : { memoryPercent }),
    upWindowMs: window('up', UP_WINDOW_MS),
    downWindowMs: window('down', DOWN_WINDOW_MS),
  };
}
