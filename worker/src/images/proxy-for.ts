/**
 * Which proxy a request takes, by the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's programs read them. Source of the rules:
 * the documentation of golang.org/x/net/http/httpproxy. Pure.
 */
import { isIP } from 'node:net';
import { type IpAddress, parseIp, parseIpPrefix, prefixContains, SwarmtsError } from '@swarmts/lib';

export type ProxyVariables = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Undefined where the server is asked itself. Throws SwarmtsError 'invalid-argument' for a proxy that cannot be used. */
export function proxyFor(url: URL, variables: ProxyVariables): URL | undefined {
  const proxy = variable(variables, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (proxy === '' || isDirect(url, variable(variables, 'NO_PROXY'))) return undefined;
  return parseProxy(proxy);
}

/** "host:port" is one of HTTP. Throws SwarmtsError 'invalid-argument'. */
export function parseProxy(text: string): URL {
  const address = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(address)) {
    const url = new URL(address);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  }
  throw new SwarmtsError('invalid-argument', `invalid proxy "${withoutPassword(text)}": use http://HOST:PORT`);
}

/** A proxy as it may be shown. */
export function withoutPassword(proxy: string): string {
  return proxy.replace(/^([^/]*\/\/)?[^/@]*@/, '$1xxxxx:xxxxx@');
}

function variable(variables: ProxyVariables, name: string): string {
  return variables[name] || variables[name.toLowerCase()] || '';
}

function isDirect(url: URL, exceptions: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const ip = isIP(host) === 0 ? undefined : parseIp(host);
  if (host === 'localhost' || (ip && isLoopback(ip))) return true;
  const port = url.port || DEFAULT_PORTS[url.protocol];
  const entries = exceptions.toLowerCase().split(',');
  return entries.map((e) => e.trim()).some((e) => e === '*' || (e !== '' && matches(e, host, ip, port)));
}

function isLoopback(ip: IpAddress): boolean {
  return prefixContains(parseIpPrefix(ip.family === 4 ? '127.0.0.0/8' : '::1/128'), ip);
}

function matches(entry: string, host: string, ip: IpAddress | undefined, port: string | undefined): boolean {
  const [, bare = entry, wantedPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const name = bare.replace(/^\[(.*)\]$/, '$1').replace(/^\*\./, '.');
  if (ip) return matchesAddress(name, ip);
  if (isIP(name) !== 0 || name.includes('/')) return false;
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}

function matchesAddress(entry: string, ip: IpAddress): boolean {
  try {
    return prefixContains(parseIpPrefix(entry.includes('/') ? entry : `${entry}/${ip.family === 4 ? 32 : 128}`), ip);
  } catch {
    return false;
  }
}
