/** Answers on their way to the client: whole ones, and streams with back-pressure. */
import type { ServerResponse } from 'node:http';
import { SwarmtsError } from '@swarmts/lib';
import type { Reply, StreamWrite } from './exchange.js';
import { SharedChunk } from './shared-chunk.js';

/** What a whole answer is made of is kept in memory until the client has taken it: one that takes nothing for so long gets no more. */
const TAKING_TIMEOUT_MS = 120_000;

/** Writes what a route answered. */
export async function send(reply: Reply, head: boolean, response: ServerResponse, signal: AbortSignal): Promise<void> {
  switch (reply.kind) {
    case 'json':
      setHeaders(response, reply.headers);
      sendJson(response, reply.status, reply.value, head);
      return;
    case 'text':
      setHeaders(response, reply.headers);
      sendWhole(response, reply.status, reply.contentType, Buffer.from(reply.text), head);
      return;
    case 'empty':
      setHeaders(response, reply.headers);
      response.writeHead(reply.status).end();
      return;
    case 'hijack':
      await reply.abandon?.();
      throw new SwarmtsError('internal', 'this connection cannot be handed over');
    case 'stream':
      setHeaders(response, reply.headers);
      if (reply.isWhole) limitTaking(response);
      response.writeHead(200, { 'Content-Type': reply.contentType });
      response.flushHeaders();
      try {
        await reply.run(writer(response, signal));
      } catch (e) {
        if (!signal.aborted) throw e;
        // An end would tell the client that it has all of it.
        response.destroy();
        return;
      }
      response.end();
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown, head: boolean): void {
  sendWhole(response, status, 'application/json', jsonBody(value), head);
}

function sendWhole(response: ServerResponse, status: number, contentType: string, body: Buffer, head: boolean): void {
  limitTaking(response);
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.byteLength });
  response.end(head ? undefined : body);
}

export function jsonBody(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function limitTaking(response: ServerResponse): void {
  response.setTimeout(TAKING_TIMEOUT_MS, () => response.destroy());
}

export function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>> | undefined): void {
  for (const [k, v] of Object.entries(headers ?? {})) response.setHeader(k, v);
}

function writer(response: ServerResponse, signal: AbortSignal): StreamWrite {
  return async (chunk) => {
    signal.throwIfAborted();
    const full = chunk instanceof SharedChunk ? chunk.writeTo(response) : response.write(chunk) ? undefined : response;
    if (full === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const drained = () => {
        signal.removeEventListener('abort', gone);
        resolve();
      };
      const gone = () => {
        full.off('drain', drained);
        reject(new SwarmtsError('aborted', 'the client has gone'));
      };
      full.once('drain', drained);
      signal.addEventListener('abort', gone, { once: true });
    });
  };
}
