/** Which address a node listens on and advertises. Errors in Docker's words. Pure: the interfaces are passed in. */
import { isIP } from 'node:net';
import type { networkInterfaces } from 'node:os';
import { parseIp, parseIpPrefix, prefixContains, SwarmtsError } from '@swarmts/lib';
import { LOCAL_LEG_PREFIX } from '@swarmts/netplugins';
import { defaults } from '@swarmts/proto';

export type Interfaces = ReturnType<typeof networkInterfaces>;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** "1.2.3.4", "1.2.3.4:2377", "[::1]:2377", "eth0:2377". Throws 'invalid-argument'. */
export function splitHostPort(text: string, defaultPort: number): HostPort {
  if (isIP(text) === 6) return { host: text, port: defaultPort };
  const m = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(text.trim());
  const host = m?.[1] ?? m?.[2] ?? '';
  const port = m?.[3] === undefined ? defaultPort : Number(m[3]);
  if (!m || host === '' || port < 0 || port > 65535) {
    throw new SwarmtsError('invalid-argument', `invalid address ${text}: use HOST or HOST:PORT`);
  }
  return { host, port };
}

export function joinHostPort({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

interface OwnAddress {
  readonly iface: string;
  readonly address: string;
}

function ownAddresses(interfaces: Interfaces): readonly OwnAddress[] {
  return Object.entries(interfaces).flatMap(([iface, list]) =>
    (list ?? []).filter((a) => !a.address.startsWith('fe80:')).map((a) => ({ iface, address: a.address })),
  );
}

export function resolveListenAddr(text: string, interfaces: Interfaces): HostPort {
  const { host, port } = splitHostPort(text === '' ? '0.0.0.0' : text, defaults.listenPort);
  if (host === '0.0.0.0' || host === '::') return { host, port };
  return { host: ownAddress(host, interfaces, 'listen address'), port };
}

/** The address that other nodes dial: as given, or the only one that this machine has. */
export function resolveAdvertiseAddr(text: string, listen: HostPort, interfaces: Interfaces): HostPort {
  if (text !== '') {
    const { host, port } = splitHostPort(text, listen.port);
    if (host === '0.0.0.0' || host === '::') {
      throw new SwarmtsError(
        'invalid-argument',
        'advertise address must be a non-zero IP address or network interface (with optional port number)',
      );
    }
    return { host: ownAddress(host, interfaces, 'advertise address'), port };
  }
  if (listen.host !== '0.0.0.0' && listen.host !== '::') return listen;
  const candidates = ownAddresses(interfaces).filter(
    (a) => isIP(a.address) === 4 && !isLoopback(a.address) && !isContainerSide(a.iface),
  );
  if (candidates.length === 1 && candidates[0]) return { host: candidates[0].address, port: listen.port };
  if (candidates.length === 0) {
    throw new SwarmtsError(
      'invalid-argument',
      // Clients add which flag names one.
      "could not find the system's IP address",
    );
  }
  const list = candidates.map((a) => `${a.address} on interface ${a.iface}`).join(' and ');
  throw new SwarmtsError(
    'invalid-argument',
    `could not choose an IP address to advertise since this system has multiple addresses (${list})`,
  );
}

/** As resolveAdvertiseAddr; where several addresses are possible, the one in the network of the manager that is joined. */
export function resolveJoinAddr(text: string, remote: string, listen: HostPort, interfaces: Interfaces): HostPort {
  try {
    return resolveAdvertiseAddr(text, listen, interfaces);
  } catch (e) {
    if (text !== '') throw e;
    const { host } = splitHostPort(remote, defaults.listenPort);
    // A name says nothing about networks.
    if (isIP(host) === 0) throw e;
    const target = parseIp(host);
    const sameNet = Object.values(interfaces)
      .flatMap((l) => l ?? [])
      .find((i) => i.cidr && i.family === 'IPv4' && prefixContains(parseIpPrefix(i.cidr), target));
    if (!sameNet) throw e;
    return { host: sameNet.address, port: listen.port };
  }
}

/** The address of overlay traffic: an address or interface of this machine, without a port; the advertised one where none is given. */
export function resolveDataPathAddr(text: string, advertise: HostPort, interfaces: Interfaces): string {
  if (text === '') return advertise.host;
  const hasPort = isIP(text) !== 6 && text.includes(':');
  if (text === '0.0.0.0' || text === '::' || hasPort) {
    throw new SwarmtsError(
      'invalid-argument',
      'data path address must be a non-zero IP address or network interface (without a port number): --data-path-addr',
    );
  }
  return ownAddress(text, interfaces, 'data path address');
}

function ownAddress(host: string, interfaces: Interfaces, what: string): string {
  const own = ownAddresses(interfaces);
  if (isIP(host) !== 0) {
    if (own.some((a) => a.address === host)) return host;
    const choices = own.filter((a) => !isContainerSide(a.iface)).map((a) => a.address);
    throw new SwarmtsError(
      'invalid-argument',
      `${what} ${host} is not an address of this machine; its addresses are ${choices.join(', ')}`,
    );
  }
  const onInterface = own.filter((a) => a.iface === host && isIP(a.address) === 4);
  if (onInterface.length === 1 && onInterface[0]) return onInterface[0].address;
  if (onInterface.length > 1) {
    throw new SwarmtsError(
      'invalid-argument',
      `interface ${host} has more than one IPv4 address (${onInterface.map((a) => a.address).join(' and ')})`,
    );
  }
  throw new SwarmtsError(
    'invalid-argument',
    `${what} must be an IP address of this machine or a network interface: ${host} is neither`,
  );
}

const isLoopback = (a: string) => a.startsWith('127.') || a === '::1';
/** Legs of containers and their bridges are no addresses for other nodes. */
const isContainerSide = (iface: string) => iface.startsWith(LOCAL_LEG_PREFIX) || /^(veth|docker|br-)/.test(iface);
