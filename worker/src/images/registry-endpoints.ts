/**
 * Where a repository can be fetched from: which URLs to try in which order. Plain http and unverified TLS are only ever
 * chosen for registries that were declared insecure, and for loopback addresses, as Docker does.
 */
import { isIP } from 'node:net';

export interface RegistryEndpoint {
  /** Scheme and authority, no trailing slash, maybe with a path prefix for mirrors. */
  readonly base: URL;
  readonly verifyTls: boolean;
  readonly mirror: boolean;
}

export interface RegistryOptions {
  /** "host", "host:port" or IPv4 CIDR blocks. */
  readonly insecureRegistries?: readonly string[];
  /** URLs of mirrors of docker.io. */
  readonly mirrors?: readonly string[];
}

export interface RegistrySettings extends RegistryOptions {
  /** Such as /etc/docker/certs.d; the first that knows a registry counts. */
  readonly certsDirs?: readonly string[];
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';
const LOOPBACK = '127.0.0.0/8';

/** Endpoints in the order in which they are tried. */
export function endpointsOf(domain: string, options: RegistryOptions): RegistryEndpoint[] {
  if (domain === DOCKER_HUB) {
    const mirrors = (options.mirrors ?? []).flatMap((m) => mirrorEndpoints(m, options));
    return [...mirrors, { base: new URL(`https://${DOCKER_HUB_HOST}`), verifyTls: true, mirror: false }];
  }
  return hostEndpoints(domain, isInsecure(domain, options));
}

/** Whether plain http and unverified TLS are allowed for `authority` ("host" or "host:port"). */
export function isInsecure(authority: string, options: RegistryOptions): boolean {
  const host = hostOf(authority);
  if (host === 'localhost' || host === '::1' || inBlock(host, LOOPBACK)) return true;
  return (options.insecureRegistries ?? []).some(
    (entry) => entry === authority || entry === host || (entry.includes('/') && inBlock(host, entry)),
  );
}

function mirrorEndpoints(mirror: string, options: RegistryOptions): RegistryEndpoint[] {
  const base = new URL(mirror);
  return [{ base, verifyTls: !isInsecure(base.host, options), mirror: true }];
}

function hostEndpoints(authority: string, insecure: boolean): RegistryEndpoint[] {
  const tls = { base: new URL(`https://${authority}`), verifyTls: !insecure, mirror: false };
  return insecure ? [tls, { base: new URL(`http://${authority}`), verifyTls: false, mirror: false }] : [tls];
}

function hostOf(authority: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(authority);
  return bracketed?.[1] ?? authority.replace(/:\d+$/, '');
}

function inBlock(host: string, block: string): boolean {
  const [net = '', bits = '32'] = block.split('/');
  if (isIP(host) !== 4 || isIP(net) !== 4) return false;
  const mask = Number(bits) === 0 ? 0 : (-1 << (32 - Number(bits))) >>> 0;
  return (toNumber(host) & mask) >>> 0 === (toNumber(net) & mask) >>> 0;
}

function toNumber(address: string): number {
  return address.split('.').reduce((n, part) => ((n << 8) | Number(part)) >>> 0, 0);
}
