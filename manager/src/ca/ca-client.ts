/** The joining side of the CA: fetches the root, checks it against the token, and asks for a certificate. */
import { sign } from 'node:crypto';
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
import { vouchesFor } from './new-root.js';

/** Time for one exchange with a manager. */
const CALL_TIMEOUT_MS = 5_000;
/** The managers may have to wait for an external CA. */
const ISSUE_TIMEOUT_MS = 20_000;

/** Gets a certificate for a new node. Throws SwarmtsError with what was wrong: token, cluster, or no answer. */
export async function joinCluster(
  addr: string,
  token: string,
  availability: NodeAvailability,
  signal: AbortSignal,
): Promise<CredentialFiles> {
  const rootPem = await trustedRoots(addr, token, signal);
  const { keyPem, csrPem } = await createRequest();
  const credentials = grpc.credentials.createSsl(Buffer.from(rootPem));
  const request = IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem), token: token.trim(), availability });
  const answer = await issue(addr, credentials, request, signal);
  return filesOf(keyPem, answer);
}

/** A certificate for a member whose own has expired: its key and a join token of its role show who it is. */
export async function recoverCertificate(
  addr: string,
  token: string,
  current: Credentials,
  signal: AbortSignal,
): Promise<CredentialFiles> {
  const rootPem = await trustedRoots(addr, token, signal);
  const { keyPem, csrPem } = await createRequest();
  const { keyPem: oldKey, certPem: oldCert } = current.files;
  const request = IssueCertificateRequest.create({
    csrPem: Buffer.from(csrPem),
    token: token.trim(),
    expiredCertPem: Buffer.from(oldCert),
    proof: sign('sha256', Buffer.from(csrPem), oldKey),
  });
  return filesOf(keyPem, await issue(addr, grpc.credentials.createSsl(Buffer.from(rootPem)), request, signal));
}

function filesOf(keyPem: string, answer: IssueCertificateResponse): CredentialFiles {
  return { keyPem, certPem: Buffer.from(answer.certPem).toString(), rootPem: Buffer.from(answer.rootCaPem).toString() };
}

/** The roots of the cluster at `addr`: the one that the token pins, and a new one if that one vouches for it. */
async function trustedRoots(addr: string, token: string, signal: AbortSignal): Promise<string> {
  const parsed = parseJoinToken(token);
  const answer = await fetchRoot(addr, signal);
  const [present, next, cross] = [answer.certPem, answer.nextCertPem, answer.nextCrossSignedPem].map((b) =>
    Buffer.from(b).toString(),
  );
  if (present === undefined || rootDigest(present) !== parsed.rootDigest) {
    throw new SwarmtsError(
      'permission-denied',
      `remote CA does not match fingerprint: the join token is not of the cluster at ${addr}`,
    );
  }
  if (!next || !cross) return present;
  if (!vouchesFor(present, cross, next))
    throw new SwarmtsError(
      'permission-denied',
      `the new CA that ${addr} names is not vouched for by the one that the token pins`,
    );
  return `${present.trimEnd()}\n${next}`;
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
  return filesOf(keyPem, answer);
}

/** A certificate for the API of a member. */
export async function requestApiCertificate(
  addr: string,
  current: Credentials,
  signal: AbortSignal,
): Promise<CredentialFiles> {
  const { keyPem, csrPem } = await createRequest();
  const request = IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem), apiServer: true });
  return filesOf(keyPem, await issue(addr, current.client(), request, signal));
}

async function fetchRoot(addr: string, signal: AbortSignal): Promise<GetRootCaResponse> {
  const unverified = grpc.credentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const client = new grpc.Client(addr, unverified, managerChannelOptions);
  try {
    return await callUnary(client, CaService.getRootCa, GetRootCaRequest.create({}), {
      timeoutMs: CALL_TIMEOUT_MS,
      signal,
    });
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
    return await callUnary(client, CaService.issueCertificate, request, { timeoutMs: ISSUE_TIMEOUT_MS, signal });
  } finally {
    client.close();
  }
}
