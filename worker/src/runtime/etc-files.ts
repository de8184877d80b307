/**
 * The host entries and name servers of a container in the notation of its configuration. Pure; the files themselves are
 * written by the network package.
 */
import { buildHostsFile, buildResolvConf, type HostEntry, parseAddHost, parseHostLine } from '@swarmts/netplugins';

export interface DnsConfig {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export interface OwnAddress {
  readonly address: string;
  readonly names: readonly string[];
  /** What "host-gateway" stands for. */
  readonly gateway: string;
}

/** `extra` are "IP name" lines, or Docker's "name:IP". */
export function hostsFile(extra: readonly string[], own: OwnAddress | undefined): string {
  return buildHostsFile({
    own: own ? [{ address: own.address, names: own.names }] : [],
    extra: extra.map(parseEntry),
    ...(own ? { hostGateway: own.gateway } : {}),
  });
}

/** With the host's network the host's own file is the base. */
export function hostNetworkHostsFile(hostFile: string, extra: readonly string[]): string {
  const base = hostFile === '' || hostFile.endsWith('\n') ? hostFile : `${hostFile}\n`;
  return (
    base +
    extra
      .map(parseEntry)
      .map((e) => `${e.address}\t${e.names.join(' ')}\n`)
      .join('')
  );
}

/**
 * The configured servers, or the host's. A container with the host's network can reach what listens on its loopback, every
 * other one cannot.
 */
export function resolvConf(
  hostFile: string,
  dns: DnsConfig | undefined,
  sharesHostNetwork: boolean,
  required: readonly string[] = [],
): string {
  if (sharesHostNetwork && (!dns || dns.servers.length + dns.search.length + dns.options.length === 0)) return hostFile;
  return buildResolvConf({
    host: hostFile,
    required,
    ...(dns ? { nameservers: dns.servers, search: dns.search, options: dns.options } : {}),
  }).content;
}

function parseEntry(text: string): HostEntry {
  return /\s/.test(text.trim()) ? parseHostLine(text) : parseAddHost(text);
}
