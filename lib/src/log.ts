/** Structured logging: one line per record (logfmt), with bound fields; level is switched at run time. */
import { writeSync } from 'node:fs';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every record. */
  with(fields: LogFields): Logger;
}

export interface LogSink {
  level: LogLevel;
  write(line: string): void;
}

/** A logger that writes to `sink`; changing `sink.level` takes effect at once. */
export function createLogger(sink: LogSink, now: () => number = Date.now, bound: LogFields = {}): Logger {
  const emit = (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (logLevels.indexOf(level) < logLevels.indexOf(sink.level)) return;
    sink.write(formatRecord(new Date(now()).toISOString(), level, message, { ...bound, ...fields }));
  };
  return {
    debug: (m, f) => emit('debug', m, f),
    info: (m, f) => emit('info', m, f),
    warn: (m, f) => emit('warn', m, f),
    error: (m, f) => emit('error', m, f),
    with: (fields) => createLogger(sink, now, { ...bound, ...fields }),
  };
}

function formatRecord(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => ` ${k}=${quoted(v)}`)
    .join('');
  return `time="${time}" level=${level} msg=${quoted(message)}${rest}\n`;
}

function quoted(value: unknown): string {
  const text =
    value instanceof Error ? value.message : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

const STDERR = 2;

/** Standard error. What cannot be written there, because the disk is full or nobody reads any more, is lost, and the process goes on. */
export function stderrSink(level: LogLevel): LogSink {
  process.stderr.on('error', () => undefined);
  return {
    level,
    write: (line) => {
      try {
        writeSync(STDERR, line);
      } catch {
        // The next one may have room.
      }
    },
  };
}

export const silentLogger: Logger = createLogger({ level: 'error', write: () => undefined });
