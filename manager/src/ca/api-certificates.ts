/**
 * Certificates of the cluster's CA for the Docker Engine API on TCP: of clients, whose role is in the organizational unit, and of
 * the nodes that they talk to. Neither is any use among nodes, which take certificates of managers and workers alone.
 */
import { SwarmtsError } from '@swarmts/lib';
import { type ClientRole, clientRoles, clientUnit, type Node } from '@swarmts/proto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { machineAddressesOf } from '../machine-addresses.js';
import type { CertificateOrder } from './certificates.js';

const API_SERVER_UNIT = 'swarmts-api';
const LOOPBACK = ['127.0.0.1', '::1'];
const MIN_EXPIRY_MS = 3_600_000;
const MAX_EXPIRY_MS = 10 * 365 * 24 * 3_600_000;
/** RFC 5280's upper bound of a common name. */
const MAX_NAME_LENGTH = 64;

export interface ClientOrder {
  readonly csrPem: string;
  readonly name: string;
  readonly role: ClientRole;
  readonly validForMs: number;
}

interface Signing {
  readonly clusterId: string;
  readonly nowMs: number;
}

/** Throws SwarmtsError 'invalid-argument' naming what was wrong. */
export function checkClientOrder(order: Pick<ClientOrder, 'name' | 'role' | 'validForMs'>): void {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  if (!/^[A-Za-z0-9][\w.@-]*$/.test(order.name) || order.name.length > MAX_NAME_LENGTH)
    throw bad(
      `invalid name "${order.name}" of a client: use at most ${MAX_NAME_LENGTH} letters, digits, and . _ @ -, beginning with a letter or digit`,
    );
  if (!clientRoles.includes(order.role))
    throw bad(`invalid role "${order.role}" of a client: use ${clientRoles.join(' or ')}`);
  if (!(order.validForMs >= MIN_EXPIRY_MS && order.validForMs <= MAX_EXPIRY_MS))
    throw bad('a client certificate lasts at least one hour (1h) and at most ten years (87600h)');
}

/** Throws SwarmtsError 'invalid-argument'. */
export function clientCertificateOrder(order: ClientOrder, signing: Signing): CertificateOrder {
  checkClientOrder(order);
  const usages = [x509.ExtendedKeyUsage.clientAuth];
  return { ...order, ...signing, unit: clientUnit(order.role), usages, dnsNames: [] };
}

/**
 * For the API of a node. What it may be called comes from the managers' record of it, not from the request: a worker cannot get
 * a certificate in a manager's name.
 */
export function apiServerCertificateOrder(
  node: Node,
  order: Signing & { readonly csrPem: string; readonly hostname: string; readonly validForMs: number },
): CertificateOrder {
  return {
    ...order,
    unit: API_SERVER_UNIT,
    name: node.id,
    usages: [x509.ExtendedKeyUsage.serverAuth],
    dnsNames: [...new Set(['localhost', node.id, order.hostname].filter((n) => n !== ''))],
    ipAddresses: [...new Set([...LOOPBACK, ...machineAddressesOf(node)])],
  };
}
