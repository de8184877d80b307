/**
 * Join tokens: SWMTKN-1-<digest of the root certificate>-<secret>. The digest pins the cluster's root, so that a joiner
 * needs no other trust; rotating replaces the secret only. Format: Docker's.
 */
import { createHash, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';

const DIGEST_LENGTH = 50;
const SECRET_LENGTH = 25;
const TOKEN = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

export interface ParsedToken {
  readonly rootDigest: string;
  readonly secret: string;
}

function base36(bytes: Uint8Array, length: number): string {
  let n = 0n;
  for (const b of bytes) n = (n << 8n) | BigInt(b);
  return n.toString(36).padStart(length, '0');
}

/** Digest of a root certificate (PEM) as it stands in tokens. */
export function rootDigest(certPem: string): string {
  return base36(createHash('sha256').update(new X509Certificate(certPem).raw).digest(), DIGEST_LENGTH);
}

export function newJoinToken(rootCertPem: string): string {
  return `SWMTKN-1-${rootDigest(rootCertPem)}-${base36(randomBytes(16), SECRET_LENGTH)}`;
}

/** Throws SwarmtsError 'invalid-argument' for anything that is no token. */
export function parseJoinToken(token: string): ParsedToken {
  if (token.trim() === '')
    throw new SwarmtsError(
      'invalid-argument',
      'A valid join token is necessary to join this cluster: `swarmts swarm join-token worker` on a manager prints it',
    );
  const m = TOKEN.exec(token.trim());
  if (!m?.[1] || !m[2]) {
    throw new SwarmtsError(
      'invalid-argument',
      'invalid join token: it has to look like SWMTKN-1-<50 characters>-<25 characters>; `swarmts swarm join-token worker` on a manager prints it',
    );
  }
  return { rootDigest: m[1], secret: m[2] };
}

/** Compares in constant time. */
export function sameToken(a: string, b: string): boolean {
  const digest = (s: string) => createHash('sha256').update(s).digest();
  return timingSafeEqual(digest(a), digest(b));
}
