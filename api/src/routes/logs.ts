/**
 * Log streams of services, tasks and containers. Warnings about nodes that could not be asked are kept to the end, as a
 * system error frame: clients stop reading there.
 */
import { parseTimeNs, SwarmtsError, timeNanoFixed } from '@swarmts/lib';
import { LogQuery } from '@swarmts/proto';
import type { ContainerLogLine, ContainerSummary, ServiceLogLine } from '../backend.js';
import { type Call, flag, type Reply } from '../http/exchange.js';
import { streamType, writeLog } from '../http/stdcopy.js';
import type { RouteContext } from './context.js';

/** Different warnings that are kept for the end of a stream. */
const MAX_LOG_WARNINGS = 50;

export function readLogQuery(query: URLSearchParams): LogQuery {
  const stdout = flag(query, 'stdout');
  const stderr = flag(query, 'stderr');
  if (!stdout && !stderr) {
    throw new SwarmtsError('invalid-argument', 'Bad parameters: you must choose at least one stream');
  }
  return LogQuery.create({
    stdout,
    stderr,
    follow: flag(query, 'follow'),
    tail: readTail(query.get('tail') ?? ''),
    sinceNs: readTimestampNs(query.get('since') ?? ''),
    untilNs: readTimestampNs(query.get('until') ?? ''),
  });
}

/** "all", '' and whatever is no number mean all lines, as in Docker. */
function readTail(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : -1;
}

/** "1700000000.000000001" or RFC 3339 -> nanoseconds as text; '' and "0" are no bound. */
export function readTimestampNs(text: string): string {
  if (text === '' || text === '0') return '';
  const m = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (m !== null) return `${BigInt(m[1] ?? '0') * 1_000_000_000n + BigInt((m[2] ?? '').padEnd(9, '0'))}`;
  const ns = parseTimeNs(text);
  if (ns === undefined) throw new SwarmtsError('invalid-argument', `invalid timestamp "${text}"`);
  return `${ns}`;
}

export async function swarmLogs(
  c: RouteContext,
  call: Call,
  kind: 'service' | 'task',
  id: string,
  tty: boolean,
): Promise<Reply> {
  const query = readLogQuery(call.query);
  const details = flag(call.query, 'details');
  const timestamps = flag(call.query, 'timestamps');
  const lines = await c.backend.swarm.logs(kind, id, query, call.signal);
  return {
    kind: 'stream',
    contentType: streamType(tty, call.apiVersion),
    run: async (write) => {
      const warnings = new Set<string>();
      for await (const line of lines) {
        if ('warning' in line) {
          if (warnings.size < MAX_LOG_WARNINGS) warnings.add(line.warning);
          continue;
        }
        const prefix = `${timestamps ? `${timeNanoFixed(line.timeNs)} ` : ''}${details ? `${originOf(line)} ` : ''}`;
        await writeLog(write, tty, line.stream, Buffer.concat([Buffer.from(prefix), line.data]));
      }
      if (warnings.size > 0) {
        const text = `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${[...warnings].join(', ')}`;
        await writeLog(write, tty, 'system-error', Buffer.from(`${text}\n`));
      }
    },
  };
}

function originOf(line: ServiceLogLine): string {
  return detailsText({
    ...line.attributes,
    'com.docker.swarm.node.id': line.nodeId,
    'com.docker.swarm.service.id': line.serviceId,
    'com.docker.swarm.task.id': line.taskId,
  });
}

/** Sorted by key, values escaped: the docker CLI splits at ',' and '='. */
function detailsText(details: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join(',');
}

export function containerLogs(
  call: Call,
  { tty, logAttributes }: Pick<ContainerSummary, 'tty' | 'logAttributes'>,
  lines: (query: LogQuery) => AsyncIterable<ContainerLogLine>,
): Reply {
  const query = readLogQuery(call.query);
  const details = flag(call.query, 'details') ? `${detailsText(logAttributes)} ` : '';
  const timestamps = flag(call.query, 'timestamps');
  return {
    kind: 'stream',
    contentType: streamType(tty, call.apiVersion),
    run: async (write) => {
      for await (const line of lines(query)) {
        const prefix = (timestamps ? `${timeNanoFixed(line.timeNs)} ` : '') + details;
        await writeLog(write, tty, line.stream, Buffer.concat([Buffer.from(prefix), line.data]));
      }
    },
  };
}
