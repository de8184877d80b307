/**
 * Reads and writes manifests and blobs of one repository: tries its endpoints in order (mirrors first), answers challenges, maps
 * the registry's error codes to Docker's words. Content is not trusted here; callers verify digests.
 */

import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { errnoOf, isSwarmtsError, type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import { familiarName, familiarString, type ImageReference } from '@swarmts/proto';
import { connectionFailure, HttpClient, type HttpRequest, readBody } from './http-request.js';
import type { RegistryAuth } from './image-api.js';
import { acceptedManifests, isRecord, MAX_CONFIG_BYTES } from './manifest.js';
import { answerChallenge, parseChallenge } from './registry-auth.js';
import { endpointsOf, type RegistryEndpoint, type RegistryOptions } from './registry-endpoints.js';

const MAX_ERROR_BYTES = 64 << 10;
const MAX_TAGS = 10_000;
/** Registries answer when they have moved the content to where it stays, which takes some of them minutes. */
const COMMIT_TIMEOUT_MS = 15 * 60_000;

export interface RegistryClientOptions extends RegistryOptions {
  /** Directories with `<host>/ca.crt`, `client.cert`, `client.key` as in /etc/docker/certs.d. */
  readonly certsDirs?: readonly string[];
  readonly logger: Logger;
}

/** Where a blob is on the same registry already. */
export interface BlobOrigin {
  readonly digest: string;
  readonly path: string;
}

interface Ask {
  readonly method: NonNullable<HttpRequest['method']>;
  /** Below the repository; or the whole URL that the registry gave. */
  readonly what?: string;
  readonly url?: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly stream?: () => Readable;
  readonly answerTimeoutMs?: number;
  /** Wants to write. */
  readonly push?: boolean;
  readonly moreScopes?: readonly string[];
  /** Statuses that are no failure. */
  readonly accepts: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** What a registry said no to, before it is put into Docker's words. */
interface RegistryRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** A session with one repository; remembers the endpoint that worked and its authorisation. Close it in `finally`. */
export class RepositoryClient {
  readonly #ref: ImageReference;
  readonly #auth: RegistryAuth | undefined;
  readonly #options: RegistryClientOptions;
  readonly #clients = new Map<string, HttpClient>();
  readonly #authorization = new Map<string, string>();
  #endpoints: RegistryEndpoint[];

  constructor(ref: ImageReference, auth: RegistryAuth | undefined, options: RegistryClientOptions) {
    this.#ref = ref;
    this.#auth = auth;
    this.#options = options;
    this.#endpoints = endpointsOf(ref.domain, options);
  }

  close(): void {
    for (const c of this.#clients.values()) c.close();
  }

  /** The manifest that `reference` (tag or digest) names. */
  async manifest(reference: string, signal?: AbortSignal): Promise<{ data: Buffer; contentType: string }> {
    const headers = { accept: acceptedManifests.join(', ') };
    const response = await this.#get(`manifests/${reference}`, headers, signal);
    const data = await readBody(response, MAX_CONFIG_BYTES);
    return { data, contentType: response.headers['content-type'] ?? '' };
  }

  /** The names of all tags. */
  async tags(signal?: AbortSignal): Promise<readonly string[]> {
    const out: string[] = [];
    for (let what: string | undefined = 'tags/list'; what !== undefined; ) {
      const response = await this.#get(what, {}, signal);
      out.push(...tagsIn(await readBody(response, MAX_CONFIG_BYTES)));
      if (out.length > MAX_TAGS) throw new SwarmtsError('unsupported', `${familiarName(this.#ref)} has too many tags`);
      // The rest of a long list is at the address in the header.
      const query: string | undefined = /<[^>]*\?([^>]*)>;\s*rel="?next/.exec(String(response.headers.link ?? ''))?.[1];
      what = query === undefined ? undefined : `tags/list?${query}`;
    }
    return out;
  }

  /** The blob from byte `offset` on; `partial` tells whether the registry honoured the offset. */
  async blob(
    digest: string,
    offset: number,
    signal?: AbortSignal,
  ): Promise<{ body: IncomingMessage; partial: boolean }> {
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const body = await this.#get(`blobs/${digest}`, headers, signal);
    return { body, partial: body.statusCode === 206 };
  }

  /** Whether the repository has the blob. */
  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.#ask({
      method: 'HEAD',
      what: `blobs/${digest}`,
      push: true,
      accepts: [200, 404],
      signal,
    });
    response.resume();
    return response.statusCode === 200;
  }

  /** Begins an upload; 'mounted' when the registry has taken the blob from the other repository instead. */
  async beginUpload(mount: BlobOrigin | undefined, signal?: AbortSignal): Promise<'mounted' | URL> {
    const query = mount ? `?${new URLSearchParams({ mount: mount.digest, from: mount.path })}` : '';
    const more = mount ? [`repository:${mount.path}:pull`] : [];
    const response = await this.#ask({
      method: 'POST',
      what: `blobs/uploads/${query}`,
      headers: { 'content-length': '0' },
      push: true,
      moreScopes: more,
      accepts: [201, 202],
      signal,
    });
    response.resume();
    if (response.statusCode === 201) return 'mounted';
    return this.#location(response);
  }

  /** Sends a whole blob to where `beginUpload` said. */
  async upload(
    to: URL,
    blob: { readonly digest: string; readonly size: number },
    body: () => Readable,
    signal?: AbortSignal,
  ) {
    const url = new URL(to);
    url.searchParams.set('digest', blob.digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) };
    const response = await this.#ask({
      method: 'PUT',
      url,
      headers,
      stream: body,
      answerTimeoutMs: COMMIT_TIMEOUT_MS,
      push: true,
      accepts: [201, 204],
      signal,
    });
    response.resume();
  }

  async putManifest(reference: string, data: Buffer, contentType: string, signal?: AbortSignal): Promise<void> {
    const headers = { 'content-type': contentType, 'content-length': String(data.length) };
    const what = `manifests/${reference}`;
    const response = await this.#ask({
      method: 'PUT',
      what,
      headers,
      body: data,
      answerTimeoutMs: COMMIT_TIMEOUT_MS,
      push: true,
      accepts: [200, 201, 202],
      signal,
    });
    response.resume();
  }

  #get(what: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<IncomingMessage> {
    return this.#ask({ method: 'GET', what, headers, accepts: [200, 206], signal });
  }

  async #ask(ask: Ask): Promise<IncomingMessage> {
    let failure: unknown;
    // A mirror takes nothing.
    const endpoints = ask.push ? this.#endpoints.filter((e) => !e.mirror) : this.#endpoints;
    for (const endpoint of endpoints) {
      try {
        const response = await this.#askAt(endpoint, ask);
        // A plain-http endpoint that works is kept; mirrors stay in front because they may lack only some content.
        if (!endpoint.mirror) this.#endpoints = this.#endpoints.filter((e) => e.mirror || e === endpoint);
        return response;
      } catch (e) {
        if (isSwarmtsError(e, 'aborted')) throw e;
        this.#options.logger.debug('registry endpoint failed', { endpoint: endpoint.base.href, error: messageOf(e) });
        failure = e;
        // The registry itself has spoken: asking it again over plain http would not change its mind.
        if (isSwarmtsError(e) && !endpoint.mirror) break;
      }
    }
    throw isSwarmtsError(failure) ? failure : unreachableRegistry(this.#endpoints, this.#ref, failure);
  }

  async #askAt(endpoint: RegistryEndpoint, ask: Ask): Promise<IncomingMessage> {
    const client = await this.#client(endpoint);
    const { method, body, stream, answerTimeoutMs, signal } = ask;
    const url = ask.url ?? this.#url(endpoint, ask.what ?? '');
    // Credentials belong to the registry itself, never to a mirror, nor to another server that takes uploads for it.
    const isElsewhere = url.origin !== endpoint.base.origin;
    const auth = endpoint.mirror ? undefined : this.#auth;
    const scopes = [`repository:${this.#ref.path}:${ask.push ? 'pull,push' : 'pull'}`, ...(ask.moreScopes ?? [])];
    const key = `${endpoint.base.href} ${scopes.join(' ')}`;
    const send = (known: string | undefined) =>
      client.request({
        url,
        method,
        headers: { ...ask.headers, ...authHeader(known) },
        ...(body ? { body } : {}),
        ...(stream ? { stream } : {}),
        ...(answerTimeoutMs === undefined ? {} : { answerTimeoutMs }),
        signal,
      });
    const known = isElsewhere ? undefined : this.#authorization.get(key);
    let response = await send(known);
    if (response.statusCode === 401 && !isElsewhere) {
      const challenge = parseChallenge(response.headers['www-authenticate']);
      const refusal = await refusalOf(response);
      const wanted = challenge?.scheme === 'bearer' && ask.push ? { ...challenge, scope: '' } : challenge;
      const answer = wanted && (await answerChallenge(client, wanted, auth, scopes.join(' '), signal));
      if (!answer && challenge?.scheme === 'basic' && ask.push) {
        throw new SwarmtsError('permission-denied', 'no basic auth credentials');
      }
      if (!answer || answer === known) throw wordsOf(refusal, this.#ref, ask.push === true);
      this.#authorization.set(key, answer);
      response = await send(answer);
    }
    if (ask.accepts.includes(response.statusCode ?? 0)) return response;
    throw wordsOf(await refusalOf(response), this.#ref, ask.push === true);
  }

  #url(endpoint: RegistryEndpoint, what: string): URL {
    const prefix = endpoint.base.pathname.replace(/\/$/, '');
    return new URL(`${prefix}/v2/${this.#ref.path}/${what}`, endpoint.base);
  }

  #location(response: IncomingMessage): URL {
    const endpoint = this.#endpoints.find((e) => !e.mirror);
    const location = response.headers.location;
    if (!endpoint || location === undefined) {
      throw new SwarmtsError('unavailable', `${familiarName(this.#ref)}: the registry named no place for the upload`);
    }
    return new URL(location, this.#url(endpoint, 'blobs/uploads/'));
  }

  async #client(endpoint: RegistryEndpoint): Promise<HttpClient> {
    const known = this.#clients.get(endpoint.base.href);
    if (known) return known;
    const certificates = await certificatesFor(endpoint, this.#options.certsDirs);
    const client = new HttpClient({ ...certificates, rejectUnauthorized: endpoint.verifyTls });
    this.#clients.set(endpoint.base.href, client);
    return client;
  }
}

/** The certificates that belong to a registry's host; none for plain http. */
export async function certificatesFor(
  endpoint: RegistryEndpoint,
  certsDirs: readonly string[] = [],
): Promise<{ ca?: Buffer[]; cert?: Buffer; key?: Buffer }> {
  if (endpoint.base.protocol !== 'https:') return {};
  for (const certsDir of certsDirs) {
    const found = await certificatesIn(join(certsDir, endpoint.base.host));
    if (found) return found;
  }
  return {};
}

async function certificatesIn(dir: string): Promise<{ ca?: Buffer[]; cert?: Buffer; key?: Buffer } | undefined> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (e) {
    if (errnoOf(e) === 'ENOENT' || errnoOf(e) === 'ENOTDIR') return undefined;
    throw e;
  }
  const ca = await Promise.all(names.filter((n) => n.endsWith('.crt')).map((n) => readFile(join(dir, n))));
  const certName = names.find((n) => n.endsWith('.cert'));
  if (!certName) return { ca };
  const keyName = certName.replace(/\.cert$/, '.key');
  if (!names.includes(keyName)) {
    throw new SwarmtsError(
      'failed-precondition',
      `missing key ${keyName} for client certificate ${certName} in ${dir}`,
    );
  }
  return { ca, cert: await readFile(join(dir, certName)), key: await readFile(join(dir, keyName)) };
}

function authHeader(value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { authorization: value };
}

function tagsIn(body: Buffer): string[] {
  let doc: unknown;
  try {
    doc = JSON.parse(body.toString('utf8'));
  } catch (e) {
    throw new SwarmtsError('corrupt', 'the list of tags is not valid JSON', { cause: e });
  }
  const tags = isRecord(doc) ? (doc.tags ?? []) : undefined;
  if (!Array.isArray(tags)) throw new SwarmtsError('corrupt', 'the list of tags has no tags');
  return tags.filter((t): t is string => typeof t === 'string');
}

async function refusalOf(response: IncomingMessage): Promise<RegistryRefusal> {
  const status = response.statusCode ?? 0;
  const body = await readBody(response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
  const fallback = { status, code: '', message: response.statusMessage ?? '' };
  try {
    const doc: unknown = JSON.parse(body.toString('utf8'));
    const first = isRecord(doc) && Array.isArray(doc.errors) ? doc.errors[0] : undefined;
    if (!isRecord(first) || typeof first.code !== 'string') return fallback;
    return { status, code: first.code, message: typeof first.message === 'string' ? first.message : '' };
  } catch {
    return fallback;
  }
}

/** Docker's words for a refusal. */
function wordsOf(r: RegistryRefusal, ref: ImageReference, push = false): SwarmtsError {
  const detail = r.code ? `${r.code.toLowerCase().replaceAll('_', ' ')}: ${r.message}` : `${r.status} ${r.message}`;
  if (push && (r.status === 401 || r.status === 403)) {
    const denied = r.code === 'UNAUTHORIZED' || r.status === 401;
    return new SwarmtsError(
      'permission-denied',
      denied ? `${detail}` : 'denied: requested access to the resource is denied',
    );
  }
  if (r.code === 'MANIFEST_UNKNOWN') {
    return new SwarmtsError('image-not-found', `manifest for ${familiarString(ref)} not found: ${detail}`);
  }
  if (r.code === 'NAME_UNKNOWN') {
    return new SwarmtsError('image-not-found', `repository ${familiarName(ref)} not found: ${detail}`);
  }
  if (r.code === 'DENIED' || r.code === 'UNAUTHORIZED' || r.status === 401 || r.status === 403) {
    const hint = `repository does not exist or may require 'docker login'`;
    return new SwarmtsError('image-not-found', `pull access denied for ${familiarName(ref)}, ${hint}: ${detail}`);
  }
  if (r.status === 404) {
    return new SwarmtsError('image-not-found', `manifest for ${familiarString(ref)} not found: ${detail}`);
  }
  if (r.status === 429)
    return new SwarmtsError('resource-exhausted', `toomanyrequests: ${r.code ? r.message : detail}`);
  const said = r.code ? ` (${detail})` : '';
  const status = `${r.status} ${STATUS_CODES[r.status] ?? ''}`.trim();
  return new SwarmtsError('unavailable', `${familiarString(ref)}: received unexpected HTTP status: ${status}${said}`);
}

function unreachableRegistry(
  endpoints: readonly RegistryEndpoint[],
  ref: ImageReference,
  cause: unknown,
): SwarmtsError {
  // The last one that was tried is the one that the cause is about.
  const base = endpoints.findLast((e) => !e.mirror)?.base.origin ?? ref.domain;
  return new SwarmtsError('unavailable', `Get "${base}/v2/": ${connectionFailure(cause)}`, { cause });
}
