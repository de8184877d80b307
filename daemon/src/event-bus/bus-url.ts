/** Where the event bus is. */
import { SwarmtsError } from '@swarmts/lib';

export interface BusAddress {
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
}

/** `nats://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...]`, tls:// for TLS. Throws SwarmtsError 'invalid-argument'. */
export function parseBusUrl(text: string): BusAddress {
  const m = /^(nats|tls):\/\/(?:([^:@/]+):([^@/]+)@)?([^@/\s]+)\/?$/.exec(text);
  const servers = (m?.[4] ?? '').split(',');
  if (!m || servers.some((s) => !/^(?:\[[0-9a-fA-F:]+\]|[\w.-]+)(?::\d{1,5})?$/.test(s)))
    throw new SwarmtsError(
      'invalid-argument',
      `invalid --event-bus: use nats://[USER:PASSWORD@]HOST:PORT[,HOST:PORT], or tls:// instead of nats://`,
    );
  const [, scheme, user, pass] = m;
  return {
    servers,
    tls: scheme === 'tls',
    ...(user && pass ? { user: decodeURIComponent(user), pass: decodeURIComponent(pass) } : {}),
  };
}
