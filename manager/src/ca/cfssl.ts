/**
 * The client's side of CFSSL's signing protocol: a request as JSON over HTTPS, and the certificate in the answer. The server has to
 * show a certificate of a root that the swarm trusts, and is shown the manager's own where there is one.
 */
import { request } from 'node:https';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { boundedSignal, errnoOf, messageOf, SwarmtsError } from '@swarmts/lib';
import type { KeyAndCert } from './certificates.js';

/** A certificate is a few kilobytes, and so is its answer; what is longer is none. */
const MAX_ANSWER_BYTES = 256 * 1024;
const HTTPS_PORT = 443;

/** What is sent; the names are the protocol's. */
export interface CfsslRequest {
  readonly certificate_request: string;
  readonly hosts: readonly string[];
  readonly subject: { readonly CN: string; readonly names: readonly Readonly<Record<string, string>>[] };
  readonly profile?: string;
  readonly extensions?: readonly { readonly id: string; readonly critical: boolean; readonly value: string }[];
}

export interface CfsslServer {
  readonly url: string;
  /** Roots of which one has to have issued the server's certificate. */
  readonly trustedPem: string;
  readonly identity: KeyAndCert | undefined;
  /** For one exchange. */
  readonly timeoutMs: number;
}

/**
 * The certificate (PEM) that the server has signed, unchecked. Throws SwarmtsError: 'unavailable' where it may work later,
 * 'failed-precondition' where the server says no.
 */
export async function requestSignature(server: CfsslServer, body: CfsslRequest, signal: AbortSignal): Promise<string> {
  const { status, text } = await post(server, JSON.stringify(body), signal);
  const answer = parseAnswer(text);
  if (status === 200 && answer?.certificate !== undefined) return answer.certificate;
  if (answer && answer.errors.length > 0)
    throw new SwarmtsError('failed-precondition', `it refuses: ${answer.errors.join('; ')}`);
  if (status !== 200) throw new SwarmtsError('unavailable', `it answers with HTTP status ${status}`);
  throw new SwarmtsError(
    'unavailable',
    'its answer is not of the CFSSL protocol: is the URL that of the sign endpoint?',
  );
}

/** Whether something answers there that has a certificate of the root. Throws SwarmtsError 'unavailable' saying why not. */
export function dialExternalCa(server: CfsslServer): Promise<void> {
  const { hostname, port } = new URL(server.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = connect({
      host,
      port: port === '' ? HTTPS_PORT : Number(port),
      ...tlsOptions(server),
      ...servername,
    });
    const end = (e?: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      if (e === undefined) resolve();
      else reject(unreachable(e, server));
    };
    const timer = setTimeout(() => end(new DOMException('', 'TimeoutError')), server.timeoutMs);
    socket.once('secureConnect', () => end());
    socket.on('error', end);
  });
}

interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

async function post(server: CfsslServer, body: string, signal: AbortSignal): Promise<HttpAnswer> {
  const bounded = boundedSignal(signal, server.timeoutMs);
  try {
    return await exchange(server, body, bounded.signal);
  } catch (e) {
    throw unreachable(bounded.signal.aborted ? bounded.signal.reason : e, server);
  } finally {
    bounded.release();
  }
}

function exchange(server: CfsslServer, body: string, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    // Without agent: the next request is made with the certificates of its time.
    const options = { method: 'POST', agent: false, headers, signal, ...tlsOptions(server) };
    const sent = request(server.url, options, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) answer.destroy(new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`));
        else chunks.push(chunk);
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function tlsOptions({ trustedPem, identity }: CfsslServer) {
  return {
    ca: trustedPem,
    minVersion: 'TLSv1.2' as const,
    ...(identity ? { cert: identity.certPem, key: identity.keyPem } : {}),
  };
}

interface CfsslAnswer {
  readonly certificate: string | undefined;
  readonly errors: readonly string[];
}

/** Undefined for what is no JSON object. */
function parseAnswer(text: string): CfsslAnswer | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null) return undefined;
  const { success, result, errors } = json as Readonly<Record<string, unknown>>;
  const certificate = success === true ? fieldOf(result, 'certificate') : undefined;
  const said = (Array.isArray(errors) ? errors : []).map(
    (e: unknown) => fieldOf(e, 'message') ?? 'an error without a message',
  );
  return { certificate, errors: said };
}

function fieldOf(value: unknown, name: string): string | undefined {
  const field: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof field === 'string' && field !== '' ? field : undefined;
}

const FOREIGN = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
];

function unreachable(e: unknown, { identity, timeoutMs }: CfsslServer): SwarmtsError {
  const error = (why: string) => new SwarmtsError('unavailable', why, { cause: e });
  if (e instanceof DOMException && e.name === 'TimeoutError')
    return error(`it does not answer within ${timeoutMs / 1000} s`);
  if (FOREIGN.includes(errnoOf(e))) return error("its TLS certificate is not of the swarm's root CA");
  if (!/CERTIFICATE_REQUIRED|BAD_CERTIFICATE|HANDSHAKE_FAILURE/.test(errnoOf(e))) return error(messageOf(e));
  if (identity) return error("it does not accept this manager's certificate as a client's");
  // Waiting does not bring one.
  const why = 'it asks for a client certificate, and this node has none yet';
  return new SwarmtsError('failed-precondition', why, { cause: e });
}
