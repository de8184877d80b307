/**
 * What an operator has put into the folder of certificates before `swarm init`, so that a new swarm has a root whose key only an external CA
 * has: the root, and perhaps a first manager's certificate and key, for a CA that asks everybody for one.
 */
import { join } from 'node:path';
import { readFileIfThere, SwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import { keyMatches, verifyNodeCertificate } from './certificates.js';
import { CERT_FILE, KEY_FILE, ROOT_FILE } from './credential-store.js';
import type { CredentialFiles } from './credentials.js';
import { checkOwnRoot } from './new-root.js';

export interface PlacedCredentials {
  readonly rootPem: string;
  /** Undefined: the external CA is asked for a certificate. */
  readonly manager: CredentialFiles | undefined;
}

/** Undefined where no root is. */
export async function readPlacedCredentials(dir: string): Promise<PlacedCredentials | undefined> {
  const [rootPem, certPem, keyPem] = await Promise.all(
    [ROOT_FILE, CERT_FILE, KEY_FILE].map((name) => readFileIfThere(join(dir, name))),
  );
  if (rootPem === undefined) return undefined;
  const manager = certPem !== undefined && keyPem !== undefined ? { rootPem, certPem, keyPem } : undefined;
  return { rootPem, manager };
}

/** Throws SwarmtsError 'invalid-argument' for a root that cannot be one, and for a certificate with which nobody could manage. */
export function checkPlacedCredentials({ rootPem, manager }: PlacedCredentials, nowMs: number): void {
  checkOwnRoot({ certPem: rootPem, keyPem: '' }, nowMs);
  if (!manager) return;
  const why = problemOf(manager, nowMs);
  if (why === '') return;
  throw new SwarmtsError(
    'invalid-argument',
    `${CERT_FILE} and ${KEY_FILE} beside ${ROOT_FILE} cannot be used: ${why}; without them the external CA is asked for a certificate`,
  );
}

function problemOf({ rootPem, certPem, keyPem }: CredentialFiles, nowMs: number): string {
  try {
    if (!keyMatches(keyPem, certPem)) return 'they do not belong together';
    const { role, nodeId, clusterId } = verifyNodeCertificate(certPem, rootPem, nowMs);
    if (role !== NodeRole.MANAGER) return 'the certificate is not one of a manager';
    return nodeId === '' || clusterId === '' ? 'the subject has to name the node in CN and the swarm in O' : '';
  } catch (e) {
    return e instanceof SwarmtsError ? e.message : 'one of them is not valid PEM';
  }
}
