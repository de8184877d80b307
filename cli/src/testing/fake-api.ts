/**
 * A small daemon for tests: answers on a Unix socket of its own with what the test says, and remembers what it was asked.
 * `runCli` drives a whole command against it, with captured output and a clock that only sleeping moves.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
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
  /** Sent as it is, instead of JSON; a connection that is taken over stays open without. */
  readonly raw?: Buffer;
}

/** "METHOD /path" -> its answer; what is not listed is 404 "page not found". */
export type FakeRoutes = Readonly<Record<string, (r: FakeRequest) => FakeAnswer>>;

export interface CliRun {
  readonly code: number;
  readonly out: string;
  /** The same as it was written, in whatever encoding. */
  readonly outBytes: Buffer;
  readonly err: string;
  readonly requests: readonly FakeRequest[];
}

export interface CliOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminalColumns?: number;
  /** Called before each sleep; aborts like ^C when it returns true. */
  readonly interruptAtSleep?: (count: number) => boolean;
  /** Called with what a command does about signals that it takes. */
  readonly signalled?: (listener: (signal: NodeJS.Signals) => void) => void;
}

export const START_MS = Date.parse('2026-03-01T12:00:00Z');

export async function runCli(argv: readonly string[], routes: FakeRoutes = {}, o: CliOptions = {}): Promise<CliRun> {
  const folder = await mkdtemp(join(tmpdir(), 'swarmts-cli-'));
  const socket = join(folder, 'api.sock');
  const requests: FakeRequest[] = [];
  const taken = new Set<Duplex>();
  const server = createServer((req, res) => {
    void readRequest(req).then((r) => {
      requests.push(r);
      const answer = routes[`${r.method} ${r.path}`]?.(r) ?? { status: 404, json: { message: 'page not found' } };
      res.statusCode = answer.status ?? 200;
      res.end(answer.raw ?? (answer.json === undefined ? '' : JSON.stringify(answer.json)));
    });
  });
  server.on('upgrade', (req, connection) => {
    // What is sent with it is of no interest so far.
    const r = { ...headOf(req), body: '' };
    requests.push(r);
    const { raw } = routes[`${r.method} ${r.path}`]?.(r) ?? {};
    connection.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    connection.resume().on('error', () => undefined);
    taken.add(connection);
    if (raw) connection.end(raw);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    return { ...(await capture(argv, socket, o)), requests };
  } finally {
    server.closeAllConnections();
    for (const connection of taken) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  }
}

async function capture(argv: readonly string[], socket: string, o: CliOptions): Promise<Omit<CliRun, 'requests'>> {
  const out: Buffer[] = [];
  let err = '';
  let nowMs = START_MS;
  let sleeps = 0;
  const stop = new AbortController();
  const shape = { isTerminal: o.terminalColumns !== undefined, columns: o.terminalColumns ?? 80 };
  const code = await run(argv, {
    version: '1.2.3',
    out: {
      write: (t) => void out.push(Buffer.from(t)),
      pipe: async (source) => {
        for await (const chunk of source) out.push(Buffer.from(chunk));
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
    onSignals: (_signals, listener) => {
      o.signalled?.(listener);
      return () => undefined;
    },
  });
  const outBytes = Buffer.concat(out);
  return { code, out: outBytes.toString(), outBytes, err };
}

async function readRequest(req: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString();
  return { ...headOf(req), body: req.headers['content-type'] === 'application/json' ? JSON.parse(text) : text };
}

function headOf(req: IncomingMessage): Omit<FakeRequest, 'body'> {
  const url = new URL(req.url ?? '/', 'http://swarmts');
  return {
    method: req.method ?? '',
    path: url.pathname.replace(/^\/v1\.\d+/, ''),
    query: Object.fromEntries(url.searchParams),
    headers: req.headers,
  };
}
