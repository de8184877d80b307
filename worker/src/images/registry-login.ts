/** `docker login`: whether a registry takes the credentials. Nothing is kept here; the client writes them down. */
import { STATUS_CODES } from 'node:http';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { connectionFailure, HttpClient } from './http-request.js';
import type { RegistryAuth } from './image-api.js';
import { answerChallenge, parseChallenge } from './registry-auth.js';
import { certificatesFor, type RegistryClientOptions } from './registry-client.js';
import { endpointsOf, type RegistryEndpoint } from './registry-endpoints.js';

const HUB_NAMES = ['', 'docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** Resolves to an identity token, '' when the registry gives none. */
export async function checkLogin(
  auth: RegistryAuth,
  options: RegistryClientOptions,
  signal?: AbortSignal,
): Promise<string> {
  const endpoints = endpointsOf(domainOf(auth.serverAddress ?? ''), options).filter((e) => !e.mirror);
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      await tryLogin(endpoint, auth, options, signal);
      return '';
    } catch (e) {
      if (isSwarmtsError(e)) throw e;
      failure = e;
    }
  }
  const url = `${endpoints.at(-1)?.base.origin ?? ''}/v2/`;
  throw new SwarmtsError('unavailable', `Get "${url}": ${connectionFailure(failure)}`, { cause: failure });
}

/** The host of "https://index.docker.io/v1/", "registry:5000" or "http://registry:5000/". */
function domainOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return HUB_NAMES.includes(host) ? 'docker.io' : host;
}

async function tryLogin(
  endpoint: RegistryEndpoint,
  auth: RegistryAuth,
  options: RegistryClientOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const certificates = await certificatesFor(endpoint, options.certsDirs);
  const client = new HttpClient({ ...certificates, rejectUnauthorized: endpoint.verifyTls });
  try {
    const url = new URL('/v2/', endpoint.base);
    const open = await client.request({ url, signal });
    open.resume();
    if (open.statusCode === 200) return;
    const challenge = parseChallenge(open.headers['www-authenticate']);
    if (open.statusCode !== 401 || !challenge) throw refused(url, open.statusCode);
    const authorization = await answerChallenge(client, challenge, auth, '', signal);
    const answer = await client.request({ url, headers: authorization ? { authorization } : {}, signal });
    answer.resume();
    if (answer.statusCode !== 200) throw refused(url, answer.statusCode);
  } catch (e) {
    if (isSwarmtsError(e, 'unauthenticated') && e.message.startsWith('unauthorized')) {
      throw new SwarmtsError('unauthenticated', `Get "${new URL('/v2/', endpoint.base)}": ${e.message}`, { cause: e });
    }
    throw e;
  } finally {
    client.close();
  }
}

function refused(url: URL, status = 0): SwarmtsError {
  const text = `login attempt to ${url} failed with status: ${status} ${STATUS_CODES[status] ?? ''}`.trim();
  return new SwarmtsError(status === 401 || status === 403 ? 'unauthenticated' : 'unavailable', text);
}
