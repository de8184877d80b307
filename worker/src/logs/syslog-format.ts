/** Lines of containers in the format of syslog (RFC 3164, RFC 5424). Pure. */
import { SwarmtsError } from '@swarmts/lib';
import type { LogEntry } from './log-api.js';
import type { LoggedContainer } from './log-attributes.js';

export interface LogOrigin extends LoggedContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly hostname: string;
}

const FACILITIES: readonly string[] = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', '', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
const FORMATS: readonly string[] = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'];
const OPTIONS: readonly string[] = [
  ...['env', 'env-regex', 'labels', 'labels-regex', 'tag', 'syslog-address', 'syslog-facility', 'syslog-format'],
  ...['syslog-tls-ca-cert', 'syslog-tls-cert', 'syslog-tls-key', 'syslog-tls-skip-verify'],
];
/** Of both formats. */
export const SEVERITY = { stdout: 6, stderr: 3 } as const;

/** Throws 'invalid-argument' in Docker's words. */
export function checkSyslogOptions(options: Readonly<Record<string, string>>): void {
  const unknown = Object.keys(options).find((k) => !OPTIONS.includes(k));
  if (unknown !== undefined) throw bad(`unknown log opt '${unknown}' for syslog log driver`);
  facilityOf(options['syslog-facility']);
  const format = options['syslog-format'] ?? '';
  if (!FORMATS.includes(format)) throw bad(`Invalid syslog format ${format}`);
}

/** The message without an end. Local listeners put the host's name in front themselves. */
export function syslogMessage(e: LogEntry, o: LogOrigin, local: boolean): Buffer {
  const priority = facilityOf(o.options['syslog-facility']) * 8 + SEVERITY[e.stream];
  const tag = tagOf(o);
  const format = o.options['syslog-format'] ?? '';
  const text = Buffer.from(e.line).toString('utf8').replace(/\n$/, '');
  const time = new Date(Number(e.timeNs / 1_000_000n));
  if (format === 'rfc5424' || format === 'rfc5424micro') {
    const stamp = format === 'rfc5424' ? time.toISOString().replace(/\.\d+Z$/, 'Z') : micro(e.timeNs);
    return Buffer.from(`<${priority}>1 ${stamp} ${o.hostname} ${tag} ${process.pid} ${tag} - ${text}`);
  }
  const host = local && format === '' ? '' : `${o.hostname} `;
  return Buffer.from(`<${priority}>${stampOf(time)} ${host}${tag}[${process.pid}]: ${text}`);
}

function facilityOf(text: string | undefined): number {
  if (text === undefined || text === '') return FACILITIES.indexOf('daemon');
  const n = /^\d+$/.test(text) ? Number(text) : FACILITIES.indexOf(text);
  if (n >= 0 && n < FACILITIES.length && FACILITIES[n] !== '') return n;
  throw bad(`invalid syslog facility`);
}

export function tagOf(o: Pick<LogOrigin, 'id' | 'name' | 'image' | 'options'>): string {
  const values: Readonly<Record<string, string>> = {
    ID: o.id.slice(0, 12),
    FullID: o.id,
    Name: o.name,
    ImageName: o.image,
    DaemonName: 'docker',
  };
  const template = o.options.tag ?? '{{.ID}}';
  return template.replaceAll(/\{\{\s*\.(\w+)\s*\}\}/g, (_, name: string) => values[name] ?? '').replaceAll(/\s/g, '_');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** "Jan  2 15:04:05" */
function stampOf(t: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const clock = [t.getHours(), t.getMinutes(), t.getSeconds()].map(two).join(':');
  return `${MONTHS[t.getMonth()]} ${String(t.getDate()).padStart(2)} ${clock}`;
}

/** With microseconds. */
export function micro(ns: bigint): string {
  const iso = new Date(Number(ns / 1_000_000n)).toISOString();
  return iso.replace('Z', `${String((ns / 1000n) % 1000n).padStart(3, '0')}Z`);
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
