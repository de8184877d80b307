/** What the options of log drivers may be, checked before a container is made. Pure; the words are Docker's. */
import { messageOf, parseSizeBytes, SwarmtsError } from '@swarmts/lib';
import type { LogChoice } from '../engine/container-config.js';
import { checkSyslogOptions } from './syslog-format.js';

export type LogOptions = Readonly<Record<string, string>>;

/** Docker's defaults of the "local" log driver; "json-file" has no limit. */
const LOCAL_MAX_BYTES = 20 << 20;
const LOCAL_MAX_FILES = 5;
const MODES: readonly string[] = ['', 'blocking', 'non-blocking'];
/** For what is shown beside a line, or sent with it. */
const ORIGIN_OPTIONS: readonly string[] = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-file', 'max-size', 'compress', ...ORIGIN_OPTIONS],
  local: ['max-file', 'max-size', 'compress'],
  journald: ORIGIN_OPTIONS,
};
const DRIVERS: readonly string[] = ['json-file', 'local', 'none', 'syslog', 'journald'];

/** Throws 'invalid-argument'. */
export function checkLogOptions(driver: string, options: LogOptions): void {
  if (!DRIVERS.includes(driver)) throw bad(`logger: no log driver named '${driver}' is registered`);
  if (driver === 'none') return;
  const { mode = '', 'max-buffer-size': bufferSize, ...own } = options;
  checkMode(mode, bufferSize);
  for (const name of ['labels-regex', 'env-regex']) checkPattern(name, own[name] ?? '');
  if (driver === 'syslog') checkSyslogOptions(own);
  const unknown = Object.keys(own).find((k) => KNOWN[driver]?.includes(k) === false);
  if (unknown !== undefined)
    throw bad(`unknown log opt '${unknown}' for ${driver === 'local' ? 'log driver local' : `${driver} log driver`}`);
  rotationOf({ driver, options });
}

/** When a log is begun anew, and how many files of it stay; 0 bytes = never. Throws 'invalid-argument'. */
export function rotationOf({ driver, options }: LogChoice): {
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
} {
  // What is passed on is kept as long as with the local driver.
  const local = driver !== 'json-file';
  // Containers of earlier releases have none.
  const { 'max-size': maxSize, 'max-file': maxFiles } = options ?? {};
  const bytes = maxSize === undefined ? 0 : parseSizeBytes(maxSize);
  if (maxFiles !== undefined && !(/^\d+$/.test(maxFiles) && Number(maxFiles) >= 1))
    throw bad(`max-file cannot be less than 1: ${maxFiles}`);
  return {
    maxSizeBytes: bytes > 0 ? bytes : local ? LOCAL_MAX_BYTES : 0,
    maxFiles: maxFiles === undefined ? (local ? LOCAL_MAX_FILES : 1) : Number(maxFiles),
  };
}

function checkPattern(name: string, pattern: string): void {
  try {
    new RegExp(pattern);
  } catch (e) {
    throw bad(`invalid ${name} '${pattern}': ${messageOf(e)}`);
  }
}

/** The monitor never makes a container wait for whoever reads its log: both modes are kept. */
function checkMode(mode: string, bufferSize: string | undefined): void {
  if (!MODES.includes(mode)) throw bad(`logger: logging mode not supported: ${mode}`);
  if (bufferSize === undefined) return;
  if (mode !== 'non-blocking') {
    throw bad("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  parseSizeBytes(bufferSize);
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
