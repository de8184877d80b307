/**
 * Who asks, and what they may do. Whoever reaches the unix socket is an administrator, as root on this machine could do anything
 * anyway; on TCP the client's certificate says who it is.
 */
import type { TLSSocket } from 'node:tls';
import { SwarmtsError } from '@swarmts/lib';
import { type ClientRole, clientRoleOf } from '@swarmts/proto';
import { isRevoked, type TlsMaterial } from './tls-material.js';

export interface Caller {
  readonly role: ClientRole;
  /** '' for those who need no certificate. */
  readonly name: string;
}

export const ADMIN: Caller = { role: 'admin', name: '' };

/** Reads that hand out secrets, or files which may hold some. */
export const ADMIN_READS: ReadonlySet<string> = new Set([
  'GET /swarm/unlockkey',
  'GET /containers/{id}/attach/ws',
  'GET /containers/{id}/export',
  'GET /containers/{id}/archive',
  'HEAD /containers/{id}/archive',
  'GET /images/get',
  'GET /images/{name:*}/get',
]);

/** They change nothing, whatever their method says. */
export const HARMLESS_POSTS: ReadonlySet<string> = new Set([
  'POST /containers/{id}/wait',
  'POST /swarmts/v1/services/plan',
]);

/** `endpoint` is method and pattern of the route. Throws SwarmtsError 'permission-denied'. */
export function checkAccess(caller: Caller, endpoint: string): void {
  if (caller.role === 'admin') return;
  const reads = /^(?:GET|HEAD) /.test(endpoint);
  if (reads ? !ADMIN_READS.has(endpoint) : HARMLESS_POSTS.has(endpoint)) return;
  const why = reads ? 'hands out what may be secret' : 'changes something';
  throw new SwarmtsError(
    'permission-denied',
    `the client certificate of ${caller.name} is read-only, and ${endpoint.replaceAll(':*', '')} ${why}: use one of role admin`,
  );
}

/**
 * The holder of the certificate that a connection showed; TLS has verified it. The CA of a cluster signs certificates for others
 * than clients too, so that it must be one of a client of this cluster. Throws SwarmtsError 'permission-denied'.
 */
export function callerOf(connection: TLSSocket, material: TlsMaterial): Caller {
  const { clusterId } = material;
  const subject = connection.getPeerCertificate().subject as
    | Readonly<Partial<Record<'O' | 'OU' | 'CN', string | readonly string[]>>>
    | undefined;
  const [name, unit] = [subject?.CN, subject?.OU].map((v) => (typeof v === 'string' ? v : ''));
  const role = clientRoleOf(unit ?? '');
  if (isRevoked(connection, material))
    throw new SwarmtsError('permission-denied', `the client certificate of ${name} was revoked`);
  if (clusterId === undefined) return { role: role ?? 'admin', name: name ?? '' };
  if (role !== undefined && subject?.O === clusterId) return { role, name: name ?? '' };
  throw new SwarmtsError(
    'permission-denied',
    `the certificate of ${name || 'nobody'} is not one of a client of this cluster: make one with \`swarmts client-cert create NAME\``,
  );
}
