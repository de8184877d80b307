/** Reads what came back on one connection, strictly: whatever is not HTTP as the Engine API speaks it is an error. Pure. */

export interface Answers {
  /** Statuses of the answers, in their order. */
  readonly statuses: readonly number[];
  readonly errors: readonly string[];
  /** The last one goes on: a stream, or a connection that was taken over. */
  readonly open: boolean;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly end: number;
}

/** `methods` of the requests, as far as they are known. */
export function readAnswers(bytes: Buffer, methods: readonly string[]): Answers {
  const statuses: number[] = [];
  const errors: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = readHead(bytes, at);
    if (typeof head === 'string') return { statuses, errors: [...errors, head], open: false };
    at = head.end;
    if (head.status === 100) continue;
    const method = methods[statuses.length] ?? 'GET';
    statuses.push(head.status);
    if (head.status === 101) return { statuses, errors, open: true };
    const body = readBody(bytes, at, head, method);
    if (body.kind === 'error') return { statuses, errors: [...errors, body.message], open: false };
    if (body.kind === 'open') return { statuses, errors, open: true };
    const problem = judge(head, body.content, method);
    if (problem !== '') errors.push(problem);
    at = body.end;
  }
  return { statuses, errors, open: false };
}

function readHead(bytes: Buffer, at: number): Head | string {
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end < 0) return `a head without an end: ${bytes.subarray(at, at + 80)}`;
  const [first = '', ...lines] = bytes.subarray(at, end).toString('latin1').split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
  if (status === undefined) return `no status line: ${first.slice(0, 80)}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const m = /^([\w-]+): (.*)$/.exec(line);
    if (!m) return `no header line: ${line.slice(0, 80)}`;
    headers.set((m[1] ?? '').toLowerCase(), m[2] ?? '');
  }
  return { status: Number(status), headers, end: end + 4 };
}

type Body =
  | { readonly kind: 'whole'; readonly content: Buffer; readonly end: number }
  | { readonly kind: 'open' }
  | { readonly kind: 'error'; readonly message: string };

function readBody(bytes: Buffer, at: number, head: Head, method: string): Body {
  const none = method === 'HEAD' || head.status === 204 || head.status === 304;
  if (none) return { kind: 'whole', content: Buffer.alloc(0), end: at };
  if (head.headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, at);
  const length = head.headers.get('content-length');
  // Without a length the connection belongs to the streams, until it ends.
  if (length === undefined) return { kind: 'open' };
  const end = at + Number(length);
  if (end > bytes.length)
    return { kind: 'error', message: `${length} bytes were announced, ${bytes.length - at} came` };
  return { kind: 'whole', content: bytes.subarray(at, end), end };
}

function readChunks(bytes: Buffer, start: number): Body {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return { kind: 'open' };
    const size = bytes.subarray(at, lineEnd).toString();
    if (!/^[0-9a-f]+$/i.test(size)) return { kind: 'error', message: `no size of a chunk: ${size.slice(0, 40)}` };
    const length = Number.parseInt(size, 16);
    const from = lineEnd + 2;
    if (length === 0) return { kind: 'whole', content: Buffer.concat(chunks), end: from + 2 };
    if (from + length + 2 > bytes.length) return { kind: 'open' };
    chunks.push(bytes.subarray(from, from + length));
    at = from + length + 2;
  }
}

/** '' when the answer is as the API's answers are. */
function judge(head: Head, content: Buffer, method: string): string {
  if (head.status === 500) return `status 500: ${content.subarray(0, 200)}`;
  const whole = head.headers.get('content-type') === 'application/json' && head.headers.has('content-length');
  if (!whole || method === 'HEAD' || content.length === 0) return '';
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    const message = typeof value === 'object' && value !== null && 'message' in value ? value.message : undefined;
    if (head.status >= 400 && typeof message !== 'string') return `status ${head.status} without a message: ${content}`;
    return '';
  } catch {
    return `not JSON: ${content.subarray(0, 200)}`;
  }
}
