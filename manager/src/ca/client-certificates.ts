/**
 * Which certificates the clients of the API have: kept from when they are signed until they end, so that one can be taken back. What was
 * taken back stays known as such, and every node refuses it.
 */
import { X509Certificate } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { ClientCertificateRecord, Resource } from '@swarmts/proto';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import type { ClientOrder } from './api-certificates.js';

/** Every node gets the list of those that were taken back. */
const MAX_RECORDS = 5_000;
/** Of those that have ended: so many go when another is made. */
const MAX_DROPPED = 50;
export const CLIENT_CERTIFICATE = 'client-certificate';

/** Throws SwarmtsError 'resource-exhausted'. */
export function recordClient(tx: WriteTx, order: Pick<ClientOrder, 'name' | 'role'>, certPem: string, nowMs: number) {
  const all = tx.by('resource', 'kind', CLIENT_CERTIFICATE);
  const ended = all.filter((r) => decode(r).expiresAtMs <= nowMs).slice(0, MAX_DROPPED);
  if (all.length - ended.length >= MAX_RECORDS)
    throw new SwarmtsError(
      'resource-exhausted',
      `there are ${MAX_RECORDS} certificates of clients already: wait until some have ended, and give those to come a shorter --expiry`,
    );
  for (const { id } of ended) tx.remove('resource', id);
  const { serialNumber: serial, validTo } = new X509Certificate(certPem);
  const { name, role } = order;
  const record = { serial, name, role, issuedAtMs: nowMs, expiresAtMs: Date.parse(validTo), revokedAtMs: 0 };
  tx.create('resource', Resource.create({ id: serial, kind: CLIENT_CERTIFICATE, payload: encode(record) }));
}

/** Those that have not ended, the oldest first. */
export function listClients(tx: ReadTx, nowMs: number): readonly ClientCertificateRecord[] {
  return tx
    .by('resource', 'kind', CLIENT_CERTIFICATE)
    .map(decode)
    .filter((r) => r.expiresAtMs > nowMs)
    .sort((a, b) => a.issuedAtMs - b.issuedAtMs);
}

/**
 * One certificate, by its serial number or the beginning of it, or all of a name. Throws SwarmtsError 'not-found', or
 * 'invalid-argument' for a beginning that several have.
 */
export function findClients(tx: ReadTx, ref: string, nowMs: number): readonly ClientCertificateRecord[] {
  const all = listClients(tx, nowMs);
  const named = all.filter((r) => r.name === ref);
  const found = named.length > 0 ? named : all.filter((r) => ref !== '' && r.serial.startsWith(ref.toUpperCase()));
  if (found.length === 0)
    throw new SwarmtsError(
      'not-found',
      `no client certificate of the name or serial number ${ref} was made by this cluster, or it has ended: see \`swarmts client-cert ls\``,
    );
  if (named.length === 0 && found.length > 1)
    throw new SwarmtsError('invalid-argument', `serial number ${ref} is ambiguous (${found.length} matches found)`);
  return found;
}

/** Takes it back; one that has ended meanwhile, or was taken back before, stays as it is. */
export function revokeClient(tx: WriteTx, serial: string, nowMs: number): void {
  const resource = tx.get('resource', serial);
  if (!resource) return;
  const record = decode(resource);
  if (record.revokedAtMs === 0)
    tx.update('resource', { ...resource, payload: encode({ ...record, revokedAtMs: nowMs }) });
}

/** What every node refuses. */
export function revokedSerials(tx: ReadTx, nowMs: number): readonly string[] {
  return listClients(tx, nowMs)
    .filter((r) => r.revokedAtMs > 0)
    .map((r) => r.serial);
}

const encode = (record: ClientCertificateRecord) =>
  ClientCertificateRecord.encode(ClientCertificateRecord.create(record));
const decode = (resource: Resource) => ClientCertificateRecord.decode(resource.payload);
