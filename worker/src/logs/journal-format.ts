/** Lines of containers in the native protocol of journald (systemd's JOURNAL_NATIVE_PROTOCOL). Pure. */
import type { LogEntry } from './log-api.js';
import { logAttributes } from './log-attributes.js';
import { type LogOrigin, micro, SEVERITY, tagOf } from './syslog-format.js';

/** An entry is one datagram. The monitor cuts long lines, and the piece that ends one has its line break. */
export function journalMessage(e: LogEntry, o: LogOrigin): Buffer {
  const text = Buffer.from(e.line);
  const isWhole = text.at(-1) === 0x0a;
  const tag = tagOf(o);
  const fields = {
    PRIORITY: String(SEVERITY[e.stream]),
    CONTAINER_ID: o.id.slice(0, 12),
    CONTAINER_ID_FULL: o.id,
    CONTAINER_NAME: o.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: o.image,
    SYSLOG_IDENTIFIER: tag,
    SYSLOG_TIMESTAMP: micro(e.timeNs),
    ...(isWhole ? {} : { CONTAINER_PARTIAL_MESSAGE: 'true' }),
    ...journalAttributes(o),
  };
  const message = isWhole ? text.subarray(0, -1) : text;
  return Buffer.concat([...Object.entries(fields).map(textField), messageField(message)]);
}

function textField([name, value]: readonly [string, string]): Buffer {
  return Buffer.from(`${name}=${value.replaceAll('\n', ' ')}\n`);
}

/** The form that carries its length may hold anything. */
function messageField(message: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([Buffer.from('MESSAGE\n'), length, message, Buffer.from('\n')]);
}

/** Under names that journald takes. */
function journalAttributes(o: LogOrigin): Readonly<Record<string, string>> {
  return Object.fromEntries(
    logAttributes(o)
      .map(([k, v]) => [fieldName(k), v])
      .filter(([k]) => k !== ''),
  );
}

function fieldName(name: string): string {
  return name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');
}
