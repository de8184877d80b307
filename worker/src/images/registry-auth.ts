/**
 * Registry authentication: reads the challenge of a 401 and answers it with basic credentials or a bearer token fetched
 * from the token service it names (distribution spec, token authentication; OAuth2 for identity tokens).
 */
import { SwarmtsError } from '@swarmts/lib';
import { type HttpClient, readBody } from './http-request.js';
import type { RegistryAuth } from './image-api.js';
import { isRecord } from './manifest.js';

export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string; readonly scope: string };

const MAX_TOKEN_BYTES = 1 << 20;

/** The first challenge of a WWW-Authenticate header that we can answer. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (!header) return undefined;
  const bearer = /\bbearer\s+(.*)$/i.exec(header);
  if (bearer) {
    const params = new Map<string, string>();
    for (const m of (bearer[1] ?? '').matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
      params.set((m[1] ?? '').toLowerCase(), m[2]?.replace(/\\(.)/g, '$1') ?? m[3] ?? '');
    }
    const realm = params.get('realm');
    if (realm)
      return { scheme: 'bearer', realm, service: params.get('service') ?? '', scope: params.get('scope') ?? '' };
  }
  return /\bbasic\b/i.test(header) ? { scheme: 'basic' } : undefined;
}

export function basicHeader(auth: RegistryAuth): string {
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
}

/** The Authorization header that answers `challenge`; undefined when it needs credentials that are not there. */
export async function answerChallenge(
  client: HttpClient,
  challenge: Challenge,
  auth: RegistryAuth | undefined,
  defaultScope: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (challenge.scheme === 'basic') return auth ? basicHeader(auth) : undefined;
  const token = await fetchToken(client, challenge, auth, challenge.scope || defaultScope, signal);
  return `Bearer ${token}`;
}

async function fetchToken(
  client: HttpClient,
  challenge: Extract<Challenge, { scheme: 'bearer' }>,
  auth: RegistryAuth | undefined,
  scope: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const url = new URL(challenge.realm);
  const response = auth?.identityToken
    ? await client.request({
        url,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: auth.identityToken,
          service: challenge.service,
          scope,
          client_id: 'swarmts',
        }).toString(),
        signal,
      })
    : await client.request({
        url: withQuery(url, challenge.service, scope, auth?.username),
        headers: auth?.username ? { authorization: basicHeader(auth) } : {},
        signal,
      });
  const body = await readBody(response, MAX_TOKEN_BYTES);
  if (response.statusCode === 401 || response.statusCode === 403) {
    throw new SwarmtsError('unauthenticated', 'unauthorized: incorrect username or password');
  }
  if (response.statusCode !== 200) {
    throw new SwarmtsError('unavailable', `token service ${url.host} answered ${response.statusCode}`);
  }
  return tokenOf(body, url.host);
}

function withQuery(realm: URL, service: string, scope: string, account: string | undefined): URL {
  const url = new URL(realm);
  if (service) url.searchParams.set('service', service);
  if (scope) url.searchParams.set('scope', scope);
  if (account) url.searchParams.set('account', account);
  return url;
}

function tokenOf(body: Buffer, host: string): string {
  let doc: unknown;
  try {
    doc = JSON.parse(body.toString('utf8'));
  } catch (e) {
    throw new SwarmtsError('corrupt', `token service ${host} did not answer with JSON`, { cause: e });
  }
  const token = isRecord(doc) ? (doc.token ?? doc.access_token) : undefined;
  if (typeof token !== 'string' || token === '') {
    throw new SwarmtsError('corrupt', `token service ${host} answered without a token`);
  }
  return token;
}
