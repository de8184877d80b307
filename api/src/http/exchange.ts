/**
 * One HTTP request as the routes see it, and what they answer. Routes are pure functions from a call to a reply: only
 * the server touches sockets. The body is read once, with a limit.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { SwarmtsError } from '@swarmts/lib';
import { JsonObject } from '../json/object.js';
import type { Caller } from './access.js';
import type { ApiVersion } from './api-version.js';
import type { SharedChunk } from './shared-chunk.js';

/** JSON bodies; a spec with a 1000 KiB config in base64 fits twice. */
export const MAX_JSON_BODY_BYTES = 4 * 1024 * 1024;
/** As Go's server. */
const MAX_DRAINED_BYTES = 256 * 1024;
const MAX_DRAIN_MS = 500;
const MAX_LINGER_MS = 500;
/** They are small: whoever takes longer holds a connection for nothing. */
export const MAX_JSON_BODY_MS = 60_000;
export const LATE_BODY = `the request body did not come within ${MAX_JSON_BODY_MS / 1000} seconds`;

export interface Call {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** [major, minor] as asked for, or the newest. */
  readonly apiVersion: ApiVersion;
  /** Aborted when the client goes away or the server closes. */
  readonly signal: AbortSignal;
  readonly caller: Caller;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Writes to the client; resolves when there is room for more, throws when the client has gone. */
export type StreamWrite = (chunk: Uint8Array | string | SharedChunk) => Promise<void>;

/** The connection is handed over; `abandon` is called instead of `run` when that is not possible any more. */
export interface HijackReply {
  readonly kind: 'hijack';
  readonly contentType: string;
  /** What the connection speaks from then on: plain bytes, or messages. */
  readonly protocol?: 'tcp' | 'websocket';
  readonly run: (connection: Duplex) => Promise<void>;
  readonly abandon?: () => Promise<void>;
}

export type Reply =
  | {
      readonly kind: 'json';
      readonly status: number;
      readonly value: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly text: string;
      readonly contentType: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | HijackReply
  | {
      readonly kind: 'stream';
      readonly contentType: string;
      /** All of it is there: nothing is waited for but the client. */
      readonly isWhole?: boolean;
      readonly headers?: Readonly<Record<string, string>>;
      readonly run: (write: StreamWrite) => Promise<void>;
    };

export type Handler = (call: Call) => Promise<Reply>;

export const json = (value: unknown, status = 200): Reply => ({ kind: 'json', status, value });
/** Elements of a list that are written in one piece: a long one is converted and sent piece by piece, and others get their turn. */
const MAX_PIECE = 500;

/** A list of what `write` makes a JSON text of. */
export function jsonList<T>(items: readonly T[], write: (item: T) => string): Reply {
  if (items.length <= MAX_PIECE)
    return { kind: 'text', status: 200, text: `[${items.map(write).join(',')}]\n`, contentType: 'application/json' };
  return {
    kind: 'stream',
    contentType: 'application/json',
    isWhole: true,
    run: async (send) => {
      for (let at = 0; at < items.length; at += MAX_PIECE) {
        const piece = items
          .slice(at, at + MAX_PIECE)
          .map(write)
          .join(',');
        await send(Buffer.from(`${at === 0 ? '[' : ','}${piece}`));
      }
      await send(']\n');
    },
  };
}

export const empty = (status = 200): Reply => ({ kind: 'empty', status });

export async function readBody(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) {
      throw new SwarmtsError('invalid-argument', `request body is larger than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as a JSON object; an empty body is an empty object. */
export async function readJson(call: Call): Promise<JsonObject> {
  return JsonObject.of(await readJsonValue(call), 'the request body');
}

/** As readJson, for bodies that clients with nothing to say send as null. */
export async function readOptionalJson(call: Call): Promise<JsonObject> {
  return JsonObject.of((await readJsonValue(call)) ?? {}, 'the request body');
}

async function readJsonValue(call: Call): Promise<unknown> {
  const bytes = await within(MAX_JSON_BODY_MS, LATE_BODY, readBody(call.body, MAX_JSON_BODY_BYTES));
  if (bytes.byteLength === 0) return {};
  const type = call.headers['content-type'] ?? '';
  // Docker's words. Those who name no type mean JSON.
  if (type !== '' && !/^application\/json\s*(;|$)/i.test(type))
    throw bad(`unsupported Content-Type header (${type}): must be 'application/json'`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (e) {
    const message = e instanceof Error ? e.message : 'not readable';
    throw bad(/after JSON/.test(message) ? 'unexpected content after JSON' : `invalid JSON: ${message}`);
  }
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}

/** Docker's reading of a flag in the query. */
export function flag(query: URLSearchParams, name: string): boolean {
  const v = (query.get(name) ?? '').trim().toLowerCase();
  return !['', '0', 'no', 'false', 'none'].includes(v);
}

/** A whole number in the query, 0 where there is none; the words are those of Go, which Docker's daemon passes on. */
export function readInteger(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text !== '' && !/^[+-]?\d+$/.test(text))
    throw new SwarmtsError('invalid-argument', `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** A version of a swarm object, which updates must name. */
export function objectVersion(query: URLSearchParams): number {
  const text = query.get('version') ?? '';
  if (!/^\d+$/.test(text)) {
    throw new SwarmtsError('invalid-argument', `invalid swarm object version '${text}'`);
  }
  return Number(text);
}

/** Gives up, with an error of the client's, on what takes longer. */
export async function within<T>(ms: number, message: string, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onGone = () => {};
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SwarmtsError('invalid-argument', message)), ms);
    onGone = () => reject(new SwarmtsError('aborted', 'the client has gone'));
    if (signal?.aborted) onGone();
    signal?.addEventListener('abort', onGone, { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onGone);
  }
}

/** A body of which some must come all the time. `gone`: the client has gone, of which the body itself does not always tell. */
export async function* flowing(
  body: AsyncIterable<Uint8Array>,
  idleMs: number,
  gone?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const late = `no more of the request body came for ${idleMs / 1000} seconds`;
  for (;;) {
    const next = await within(idleMs, late, chunks.next(), gone);
    if (next.done === true) return;
    yield next.value;
  }
}

/**
 * Reads a body that nobody wants, as far as it is small: an answer that comes while the client still sends is lost when the
 * connection is closed with it.
 */
export async function drain(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  await new Promise<void>((resolve) => {
    let left = MAX_DRAINED_BYTES;
    const timer = setTimeout(resolve, MAX_DRAIN_MS);
    const take = (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) done();
    };
    const done = () => {
      clearTimeout(timer);
      request.off('data', take);
      resolve();
    };
    request.on('data', take);
    for (const name of ['end', 'close', 'error']) request.once(name, done);
  });
}

/**
 * Goes on throwing the body away until a while after the answer, and ends the connection then: a client that cannot write any more may
 * not look whether it was answered.
 */
export function linger(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.once('finish', () => {
    const timer = setTimeout(() => request.destroy(), MAX_LINGER_MS);
    request.once('close', () => clearTimeout(timer));
  });
}

export function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([k, v]) =>
      v === undefined ? [] : [[k, Array.isArray(v) ? v.join(',') : v]],
    ),
  );
}
