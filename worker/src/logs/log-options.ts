/** What the options of log drivers may be, checked before a container is made. Pure; the words are Docker's. */
import { messageOf, parseSizeBytes, SwarmtsError } from '@swarmts/lib';
import { checkSyslogOptions } from './syslog-format.js';

export type LogOptions = Readonly<Record<string, string>>;

const MODES: readonly string[] = ['', 'blocking', 'non-blocking'];
/** For what is shown beside a line, or sent with it. */
const ORIGIN_OPTIONS: readonly string[] = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-file', 'max-size', 'compress', ...ORIGIN_OPTIONS],
  local: ['max-file', 'max-size', 'compress'],
  journald: ORIGIN_OPTIONS,
};

/** Throws 'invalid-argument'. */
export function checkLogOptions(driver: string, options: LogOptions): void {
  if (driver === 'none') return;
  const { mode = '', 'max-buffer-size': bufferSize, ...own } = options;
  checkMode(mode, bufferSize);
  for (const name of ['labels-regex', 'env-regex']) checkPattern(name, own[name] ?? '');
  if (driver === 'syslog') checkSyslogOptions(own);
  const unknown = Object.keys(own).find((k) => KNOWN[driver]?.includes(k) === false);
  if (unknown === undefined) return;
  throw bad(`unknown log opt '${unknown}' for ${driver === 'local' ? 'log driver local' : `${driver} log driver`}`);
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
