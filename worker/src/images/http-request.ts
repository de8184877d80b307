/**
 * One HTTP request to a registry over node's own client: follows redirects (credentials stay with their host), gives up
 * when nothing arrives for a while, and hands out the body as a stream. Knows nothing about registries.
 */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { proxyFor } from './proxy-for.js';
import { abortError } from './shared-jobs.js';
import { trustedRoots } from './trusted-roots.js';

export interface HttpRequest {
  readonly url: URL;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** A body that is read while it is sent. Such a request follows no redirect. */
  readonly stream?: () => Readable;
  /** How long the answer may take once the whole body is sent. Default: no longer than any other silence. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface TlsOptions {
  readonly ca?: readonly Buffer[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

const MAX_REDIRECTS = 10;
/** A silent connection is given up; the caller retries. */
const STALL_TIMEOUT_MS = 30_000;

export class HttpClient {
  readonly #http = new http.Agent({ keepAlive: true });
  readonly #tls: TlsOptions;
  readonly #stallTimeoutMs: number;
  readonly #https = new https.Agent({ keepAlive: true });
  #context: SecureContext | undefined;
  /** By scheme of the request and address of the proxy. */
  readonly #proxied = new Map<string, http.Agent>();

  constructor(tls: TlsOptions = {}, stallTimeoutMs = STALL_TIMEOUT_MS) {
    this.#tls = tls;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** Resolves with the final response; its body must be consumed or destroyed by the caller. */
  async request(r: HttpRequest): Promise<http.IncomingMessage> {
    let url = r.url;
    let headers = r.headers ?? {};
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#once({ ...r, url, headers });
      const location = response.headers.location;
      if (!isRedirect(response.statusCode) || location === undefined || r.stream) return response;
      response.resume();
      const next = new URL(location, url);
      if (next.host !== url.host) headers = withoutAuthorization(headers);
      url = next;
    }
    throw new SwarmtsError('unavailable', `${r.url.href}: stopped after ${MAX_REDIRECTS} redirects`);
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
    for (const agent of this.#proxied.values()) agent.destroy();
  }

  async #agentFor(url: URL): Promise<http.Agent> {
    const secure = url.protocol === 'https:';
    const proxy = proxyFor(url, process.env);
    if (!proxy) return secure ? this.#https : this.#http;
    const key = `${url.protocol} ${proxy.href}`;
    const known = this.#proxied.get(key);
    if (known) return known;
    // Read by those alone who have a proxy.
    const agent = secure
      ? new (await import('https-proxy-agent')).HttpsProxyAgent(proxy, { keepAlive: true })
      : new (await import('http-proxy-agent')).HttpProxyAgent(proxy, { keepAlive: true });
    this.#proxied.set(key, agent);
    return agent;
  }

  /** Beside the certificates that belong to the registry, what the machine trusts: a registry may send us to other servers. */
  #tlsOptions(): https.AgentOptions {
    const { ca = [], cert, key, rejectUnauthorized } = this.#tls;
    this.#context ??= createSecureContext({
      ca: [...trustedRoots(), ...ca],
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
    });
    return {
      secureContext: this.#context,
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    };
  }

  async #once(r: HttpRequest): Promise<http.IncomingMessage> {
    if (r.signal?.aborted) throw abortError(r.signal);
    const agent = await this.#agentFor(r.url);
    return new Promise((resolve, reject) => {
      const request = (r.url.protocol === 'https:' ? https : http).request(r.url, {
        method: r.method ?? 'GET',
        headers: { 'user-agent': 'swarmts', ...r.headers },
        agent,
        // Not the agent's: that of a proxy does not take them for the server behind it.
        ...(r.url.protocol === 'https:' ? this.#tlsOptions() : {}),
        timeout: this.#stallTimeoutMs,
        ...(r.signal ? { signal: r.signal } : {}),
      });
      let patienceMs = this.#stallTimeoutMs;
      const { answerTimeoutMs } = r;
      if (answerTimeoutMs !== undefined) {
        request.on('finish', () => {
          patienceMs = answerTimeoutMs;
          request.setTimeout(patienceMs);
        });
      }
      request.on('timeout', () => request.destroy(new Error(`no answer from ${r.url.host} for ${patienceMs} ms`)));
      request.on('response', resolve);
      request.on('error', (e) => reject(r.signal?.aborted ? abortError(r.signal) : e));
      if (!r.stream) {
        request.end(r.body);
        return;
      }
      const body = r.stream();
      body.on('error', (e) => request.destroy(e));
      // An answer that comes early (a refusal) ends the upload.
      request.on('close', () => body.destroy());
      body.pipe(request);
    });
  }
}

/** Why nobody answered, in the words that Docker's users search for. */
export function connectionFailure(e: unknown): string {
  if (!(e instanceof Error) || !('code' in e)) return messageOf(e);
  const { address, port, hostname } = e as { address?: string; port?: number; hostname?: string };
  const where = address === undefined ? '' : ` ${address.includes(':') ? `[${address}]` : address}:${port}`;
  switch (e.code) {
    case 'ECONNREFUSED':
      return `dial tcp${where}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `dial tcp${where}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp${where}: connect: network is unreachable`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${hostname ?? ''}: no such host`;
    default:
      return messageOf(e);
  }
}

/** Whatever the status is; nobody who answers is 'unavailable'. */
export async function answerFrom(
  client: HttpClient,
  address: string,
  signal?: AbortSignal,
): Promise<http.IncomingMessage> {
  try {
    return await client.request({ url: new URL(address), signal });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new SwarmtsError('unavailable', `Get "${address}": ${connectionFailure(e)}`, { cause: e });
  }
}

/** An archive that somebody keeps on a web server. */
export async function* fetchArchive(address: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!/^https?:\/\//.test(address) || !URL.canParse(address)) {
    throw new SwarmtsError(
      'invalid-argument',
      `"${address}" is no address of an archive: http:// or https:// is expected`,
    );
  }
  const client = new HttpClient();
  try {
    const response = await answerFrom(client, address, signal);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new SwarmtsError('unavailable', `failed to GET ${address} with status ${response.statusCode}`);
    }
    yield* response;
  } finally {
    client.close();
  }
}

/** Reads a whole body, refusing more than `limit` bytes. */
export async function readBody(response: http.IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > limit) {
      response.destroy();
      throw new SwarmtsError('corrupt', `answer of more than ${limit} bytes refused`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function isRedirect(status: number | undefined): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([k]) => k.toLowerCase() !== 'authorization'));
}
