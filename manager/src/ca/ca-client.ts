/** The joining side of the CA: fetches the root, checks it against the token, and asks for a certificate. */
import * as grpc from '@grpc/grpc-js';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import {
  CaService,
  GetRootCaRequest,
  type GetRootCaResponse,
  IssueCertificateRequest,
  type IssueCertificateResponse,
  type NodeAvailability,
} from '@swarmts/proto';
import { callUnary } from '../rpc/unary.js';
import { createRequest } from './certificates.js';
import { type CredentialFiles, type Credentials, managerChannelOptions } from './credentials.js';
import { parseJoinToken, rootDigest } from './join-token.js';

/** Time for one exchange with a manager. */
const CALL_TIMEOUT_MS = 5_000;

/** Gets a certificate for a new node. Throws SwarmtsError with what was wrong: token, cluster, or no answer. */
export async function joinCluster(
  addr: string,
  token: string,
  availability: NodeAvailability,
  signal: AbortSignal,
): Promise<CredentialFiles> {
  const parsed = parseJoinToken(token);
  const rootPem = await fetchRoot(addr, signal);
  if (rootDigest(rootPem) !== parsed.rootDigest) {
    throw new SwarmtsError(
      'permission-denied',
      `remote CA does not match fingerprint: the join token is not of the cluster at ${addr}`,
    );
  }
  const { keyPem, csrPem } = await createRequest();
  const credentials = grpc.credentials.createSsl(Buffer.from(rootPem));
  const request = IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem), token: token.trim(), availability });
  const answer = await issue(addr, credentials, request, signal);
  return { keyPem, certPem: Buffer.from(answer.certPem).toString(), rootPem };
}

/** Renews the certificate of a member; its role may have changed. */
export async function renewCertificate(
  addr: string,
  current: Credentials,
  signal: AbortSignal,
): Promise<CredentialFiles> {
  const { keyPem, csrPem } = await createRequest();
  const answer = await issue(
    addr,
    current.client(),
    IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem) }),
    signal,
  );
  return { keyPem, certPem: Buffer.from(answer.certPem).toString(), rootPem: Buffer.from(answer.rootCaPem).toString() };
}

async function fetchRoot(addr: string, signal: AbortSignal): Promise<string> {
  const unverified = grpc.credentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const client = new grpc.Client(addr, unverified, managerChannelOptions);
  try {
    const answer: GetRootCaResponse = await callUnary(client, CaService.getRootCa, GetRootCaRequest.create({}), {
      timeoutMs: CALL_TIMEOUT_MS,
      signal,
    });
    return Buffer.from(answer.certPem).toString();
  } catch (e) {
    if (e instanceof SwarmtsError && e.code !== 'unavailable' && e.code !== 'timeout') throw e;
    throw new SwarmtsError(
      'unavailable',
      `could not reach a manager at ${addr}: ${messageOf(e)}. Check the address and port, that swarmtsd runs there, and that TCP port 2377 is open`,
      { cause: e },
    );
  } finally {
    client.close();
  }
}

async function issue(
  addr: string,
  credentials: grpc.ChannelCredentials,
  request: IssueCertificateRequest,
  signal: AbortSignal,
): Promise<IssueCertificateResponse> {
  const client = new grpc.Client(addr, credentials, managerChannelOptions);
  try {
    return await callUnary(client, CaService.issueCertificate, request, { timeoutMs: CALL_TIMEOUT_MS, signal });
  } finally {
    client.close();
  }
}
