/** What the options of log drivers may be, checked before a container is made. Pure; the words are Docker's. */
import { messageOf, parseSizeBytes, SwarmtsError } from '@swarmts/lib';
import type { LogChoice } from '../engine/container-config.js';
import { checkSyslogOptions } from './syslog-format.js';

export type LogOptions = Readonly<Record<string, string>>;

/** Docker's defaults of the "local" log driver; "json-file" has no limit. */
const LOCAL_MAX_BYTES = 20 << 20;
const LOCAL_MAX_FILES = 5;
/** What Go takes for one. */
const BOOLEAN = /^(1|0|[tT]|[fF]|true|false|True|False|TRUE|FALSE)$/;
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

/** When a log is begun anew, how many files of it stay, and whether as they are; 0 bytes = never. Throws 'invalid-argument'. */
export function rotationOf({ driver, options }: LogChoice): {
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
  readonly compress: boolean;
} {
  // What is passed on is kept as long as with the local driver.
  const local = driver !== 'json-file';
  // Containers of earlier releases have none.
  const { 'max-size': maxSize, 'max-file': maxFiles } = options ?? {};
  const bytes = maxSize === undefined ? 0 : parseSizeBytes(maxSize);
  if (maxFiles !== undefined && !(/^\d+$/.test(maxFiles) && Number(maxFiles) >= 1))
    throw bad(`max-file cannot be less than 1: ${maxFiles}`);
  const rotation = {
    maxSizeBytes: bytes > 0 ? bytes : local ? LOCAL_MAX_BYTES : 0,
    maxFiles: maxFiles === undefined ? (local ? LOCAL_MAX_FILES : 1) : Number(maxFiles),
  };
  return { ...rotation, compress: isCompressed(driver, options?.compress, rotation) };
}

function isCompressed(
  driver: string,
  option: string | undefined,
  { maxSizeBytes, maxFiles }: { readonly maxSizeBytes: number; readonly maxFiles: number },
): boolean {
  if (option !== undefined && !BOOLEAN.test(option))
    throw bad(`error reading compress log option: strconv.ParseBool: parsing "${option}": invalid syntax`);
  const compress = option === undefined ? driver === 'local' : /^(1|t)/i.test(option);
  if (!compress || (maxSizeBytes > 0 && maxFiles > 1)) return compress;
  throw bad(
    driver === 'local'
      ? 'compression cannot be enabled when max file count is 1'
      : 'compress cannot be true when max-file is less than 2 or max-size is not set',
  );
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
