/** What the daemon's settings say of containers, as the engine takes it. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { messageOf, parseSizeBytes, parseUlimit, SwarmtsError, type Ulimit } from '@swarmts/lib';
import { type ContainerDefaults, checkLogOptions } from '@swarmts/worker';

/** The settings as they were given: each may be absent. */
export interface ContainerSettings {
  readonly logDriver: unknown;
  readonly logOptions: unknown;
  readonly init: unknown;
  readonly shmSize: unknown;
  readonly ulimits: unknown;
  readonly noNewPrivileges: unknown;
  readonly seccompProfile: unknown;
  readonly ipcMode: unknown;
  readonly cgroupnsMode: unknown;
  readonly hostIp: unknown;
  readonly bridge: unknown;
}

/** Throws SwarmtsError 'invalid-argument' that names the setting. */
export function containerDefaults(s: ContainerSettings): ContainerDefaults {
  const log = { driver: textOf('log-driver', s.logDriver) || 'json-file', options: logOptions(s.logOptions) };
  checkLogOptions(log.driver, log.options);
  const shm = s.shmSize === undefined ? undefined : parseSizeBytes(String(s.shmSize));
  if (shm === 0) throw bad('default-shm-size', String(s.shmSize), 'more than 0 is needed');
  const ulimits = ulimitsOf(s.ulimits);
  const seccompProfile = seccompOf(textOf('seccomp-profile', s.seccompProfile));
  const hostIp = addressOf('ip', s.hostIp);
  return {
    log,
    ...(s.init === true ? { init: true } : {}),
    ...(shm === undefined ? {} : { shmSizeBytes: shm }),
    ...(ulimits.length > 0 ? { ulimits } : {}),
    ...(s.noNewPrivileges === true ? { noNewPrivileges: true } : {}),
    ...(seccompProfile === undefined ? {} : { seccompProfile }),
    ipcMode: oneOf('default-ipc-mode', s.ipcMode, ['private', 'shareable']),
    cgroupnsMode: oneOf('default-cgroupns-mode', s.cgroupnsMode, ['private', 'host']),
    ...(hostIp === '' ? {} : { hostIp }),
    ...(s.bridge === 'none' ? { withoutBridge: true } : {}),
  };
}

/** '' for none. */
export function addressOf(name: string, value: unknown): string {
  const text = textOf(name, value);
  if (text !== '' && isIP(text) === 0) throw bad(name, text, 'use an IP address');
  return text;
}

/** A list of KEY=VALUE on the command line, an object in the file. */
function logOptions(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (Array.isArray(value)) {
    return Object.fromEntries(
      value.map((entry) => {
        const [, key, text] = /^([^=]+)=([\s\S]*)$/.exec(String(entry)) ?? [];
        if (key === undefined || text === undefined) throw bad('log-opt', String(entry), 'use KEY=VALUE');
        return [key, text];
      }),
    );
  }
  if (typeof value !== 'object' || value === null) throw bad('log-opts', JSON.stringify(value), 'use an object');
  return Object.fromEntries(
    Object.entries(value).map(([key, v]) => {
      if (typeof v !== 'string') throw bad('log-opts', `${key}: ${JSON.stringify(v)}`, 'use a string');
      return [key, v];
    }),
  );
}

/** A list of NAME=SOFT[:HARD] on the command line; in the file {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}}. */
function ulimitsOf(value: unknown): readonly Ulimit[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map((v) => parseUlimit(String(v)));
  if (typeof value !== 'object' || value === null) throw bad('default-ulimits', JSON.stringify(value), 'use an object');
  return Object.entries(value).map(([name, v]) => {
    const { Soft: soft, Hard: hard } = (v ?? {}) as { readonly Soft?: unknown; readonly Hard?: unknown };
    if (!Number.isSafeInteger(soft) || !Number.isSafeInteger(hard))
      throw bad(
        'default-ulimits',
        `${name}: ${JSON.stringify(v)}`,
        'use {"Name": NAME, "Soft": NUMBER, "Hard": NUMBER}',
      );
    return parseUlimit(`${name}=${soft}:${hard}`);
  });
}

/** Undefined for the one that is built in. */
function seccompOf(value: string): string | undefined {
  if (value === '' || value === 'builtin') return undefined;
  if (value === 'unconfined') return value;
  try {
    const text = readFileSync(value, 'utf8');
    JSON.parse(text);
    return text;
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `opening seccomp profile (${value}) failed: ${messageOf(e)}`, {
      cause: e,
    });
  }
}

function oneOf(name: string, value: unknown, words: readonly string[]): string {
  const text = textOf(name, value);
  if (text !== '' && !words.includes(text)) throw bad(name, text, `use ${words.join(' or ')}`);
  return text;
}

function textOf(name: string, value: unknown): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') throw bad(name, JSON.stringify(value), 'use a string');
  return value;
}

function bad(name: string, value: string, wayOut: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `invalid argument "${value}" for "${name}": ${wayOut}`);
}
