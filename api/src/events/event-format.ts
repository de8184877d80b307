/** How a stream of events is written: as one of the types of JSON streams that clients may ask for, by the version of the API. */
import { type ApiVersion, SINCE } from '../http/api-version.js';

export interface EventFormat {
  readonly contentType: string;
  /** What stands before each event. */
  readonly separator: string;
  /** With the fields in which events were told before they had types. */
  readonly form: 'lean' | 'old';
}

const LINES = 'application/jsonl';
const SEQUENCE = 'application/json-seq';
/** Where a client likes several equally well, the first one of these. */
const OFFERED: readonly string[] = [LINES, 'application/x-ndjson', SEQUENCE];
/** RFC 7464. */
const RECORD_SEPARATOR = '\u001e';

/** `accept`: the header. What it does not name exactly is not meant: clients that take anything get what their version had. */
export function eventFormat(accept: string, [, minor]: ApiVersion): EventFormat {
  const isOld = minor < SINCE.leanAnswers;
  const contentType = preferred(accept) ?? (isOld ? 'application/json' : LINES);
  const separator = contentType === SEQUENCE ? RECORD_SEPARATOR : '';
  return { contentType, separator, form: isOld ? 'old' : 'lean' };
}

function preferred(accept: string): string | undefined {
  const weights = new Map(accept.split(',').map(weightOf));
  const weight = (type: string) => weights.get(type) ?? 0;
  const [best] = [...OFFERED].sort((a, b) => weight(b) - weight(a));
  return best !== undefined && weight(best) > 0 ? best : undefined;
}

/** "application/jsonl; q=0.5" */
function weightOf(range: string): readonly [string, number] {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((p) => p.startsWith('q='));
  return [type, q === undefined ? 1 : Number(q.slice(2)) || 0];
}
