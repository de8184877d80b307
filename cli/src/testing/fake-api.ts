/**
 * A small daemon for tests: answers on a Unix socket of its own with what the test says, and remembers what it was asked.
 * `runCli` drives a whole command against it, with captured output and a clock that only sleeping moves.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run } from '../run.js';

export interface FakeRequest {
  readonly method: string;
  /** Without the version and the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly json?: unknown;
  /** Sent as it is, instead of JSON. */
  readonly raw?: Buffer;
}

/** "METHOD /path" -> its answer; what is not listed is 404 "page not found". */
export type FakeRoutes = Readonly<Record<string, (r: FakeRequest) => FakeAnswer>>;

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly requests: readonly FakeRequest[];
}

export interface CliOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminalColumns?: number;
  /** Called before each sleep; aborts like ^C when it returns true. */
  readonly interruptAtSleep?: (count: number) => boolean;
}

export const START_MS = Date.parse('2026-03-01T12:00:00Z');

export async function runCli(argv: readonly string[], routes: FakeRoutes = {}, o: CliOptions = {}): Promise<CliRun> {
  const folder = await mkdtemp(join(tmpdir(), 'swarmts-cli-'));
  const socket = join(folder, 'api.sock');
  const requests: FakeRequest[] = [];
  const server = createServer((req, res) => {
    void readRequest(req).then((r) => {
      requests.push(r);
      const answer = routes[`${r.method} ${r.path}`]?.(r) ?? { status: 404, json: { message: 'page not found' } };
      res.statusCode = answer.status ?? 200;
      res.end(answer.raw ?? (answer.json === undefined ? '' : JSON.stringify(answer.json)));
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    return { ...(await capture(argv, socket, o)), requests };
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  }
}

async function capture(argv: readonly string[], socket: string, o: CliOptions): Promise<Omit<CliRun, 'requests'>> {
  let out = '';
  let err = '';
  let nowMs = START_MS;
  let sleeps = 0;
  const stop = new AbortController();
  const shape = { isTerminal: o.terminalColumns !== undefined, columns: o.terminalColumns ?? 80 };
  const code = await run(argv, {
    version: '1.2.3',
    out: {
      write: (t) => {
        out += t;
      },
      pipe: async (source) => {
        for await (const chunk of source) out += Buffer.from(chunk).toString();
      },
      ...shape,
    },
    err: {
      write: (t) => {
        err += t;
      },
      pipe: async (source) => {
        for await (const chunk of source) err += Buffer.from(chunk).toString();
      },
      ...shape,
    },
    env: { SWARMTS_HOST: `unix://${socket}`, HOME: '/nonexistent', ...o.env },
    stdin: () => Readable.from([Buffer.from(o.stdin ?? '')]),
    stdinIsTerminal: o.stdin === undefined,
    now: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
      if (o.interruptAtSleep?.(++sleeps)) stop.abort();
    },
    interrupt: () => stop.signal,
    onEnding: () => () => undefined,
  });
  return { code, out, err };
}

async function readRequest(req: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(Buffer.from(chunk));
  const url = new URL(req.url ?? '/', 'http://swarmts');
  const text = Buffer.concat(chunks).toString();
  return {
    method: req.method ?? '',
    path: url.pathname.replace(/^\/v1\.\d+/, ''),
    query: Object.fromEntries(url.searchParams),
    headers: req.headers,
    body: req.headers['content-type'] === 'application/json' ? JSON.parse(text) : text,
  };
}
