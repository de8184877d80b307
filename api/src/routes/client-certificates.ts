/** /swarmts/v1/client-certificates: certificates for those who use the API on TCP. */
import { type ClientCertificateRecord, clientRoles } from '@swarmts/proto';
import { json, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import { omitEmpty, timeJson } from '../json/write.js';
import type { RouteContext } from './context.js';

const DEFAULT_EXPIRY_NS = 365 * 24 * 3600 * 1e9;
const ROLES = Object.fromEntries(clientRoles.map((r) => [r, r]));

export function clientCertificateRoutes({ backend }: RouteContext): Route[] {
  return [
    route('GET', '/swarmts/v1/client-certificates', async () =>
      json((await backend.swarm.clientCertificates()).map(certificateJson)),
    ),
    route('POST', '/swarmts/v1/client-certificates/{ref}/revoke', async ({ params }) =>
      json((await backend.swarm.revokeClientCertificates(params.ref ?? '')).map(certificateJson)),
    ),
    route('POST', '/swarmts/v1/client-certificates', async (call) => {
      const o = await readJson(call);
      const made = await backend.swarm.createClientCertificate({
        name: o.string('Name'),
        role: o.oneOf('Role', ROLES, 'readonly'),
        validForMs: (o.has('Expiry') ? o.integer('Expiry') : DEFAULT_EXPIRY_NS) / 1e6,
      });
      return json({ CA: made.ca, Certificate: made.certificate, Key: made.key }, 201);
    }),
  ];
}

function certificateJson(c: ClientCertificateRecord): Record<string, unknown> {
  return {
    Serial: c.serial,
    Name: c.name,
    Role: c.role,
    IssuedAt: timeJson(c.issuedAtMs),
    ExpiresAt: timeJson(c.expiresAtMs),
    ...omitEmpty({ RevokedAt: c.revokedAtMs === 0 ? '' : timeJson(c.revokedAtMs) }),
  };
}
