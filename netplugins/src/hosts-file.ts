/** A container's /etc/hosts: the loopback names, the container's own ones, and what the user adds. */
import { isIP } from 'node:net';
import { SwarmtsError } from '@swarmts/lib';

export interface HostEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** Stands for the address at which the container reaches the host. */
const HOST_GATEWAY = 'host-gateway';

const LOOPBACK: readonly HostEntry[] = [
  { address: '127.0.0.1', names: ['localhost'] },
  { address: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] },
  { address: 'fe00::', names: ['ip6-localnet'] },
  { address: 'ff00::', names: ['ip6-mcastprefix'] },
  { address: 'ff02::1', names: ['ip6-allnodes'] },
  { address: 'ff02::2', names: ['ip6-allrouters'] },
];

export interface HostsFileInput {
  /** The container's addresses with its names; none for a container without a network. */
  readonly own: readonly HostEntry[];
  readonly extra?: readonly HostEntry[];
  /** What "host-gateway" stands for in `extra`. */
  readonly hostGateway?: string;
}

export function buildHostsFile(input: HostsFileInput): string {
  const extra = (input.extra ?? []).map((e) => resolveGateway(e, input.hostGateway));
  return [...LOOPBACK, ...extra, ...input.own].map((e) => `${e.address}\t${e.names.join(' ')}\n`).join('');
}

function resolveGateway(entry: HostEntry, gateway: string | undefined): HostEntry {
  if (entry.address !== HOST_GATEWAY) return entry;
  if (gateway === undefined) {
    throw new SwarmtsError('invalid-argument', `${entry.names.join(' ')}: this network has no ${HOST_GATEWAY}`);
  }
  return { ...entry, address: gateway };
}

/** `docker run --add-host NAME:ADDRESS` (or NAME=ADDRESS). */
export function parseAddHost(text: string): HostEntry {
  const [, name = '', bracketed = ''] = /^([^:=\s]+)[:=](\S+)$/.exec(text) ?? [];
  const address = bracketed.replace(/^\[(.*)\]$/, '$1');
  return checked(text, { address, names: [name] });
}

/** A service's host entry: "ADDRESS NAME [NAME...]". */
export function parseHostLine(text: string): HostEntry {
  const [address = '', ...names] = text.trim().split(/\s+/);
  return checked(text, { address, names });
}

function checked(text: string, entry: HostEntry): HostEntry {
  const valid = (isIP(entry.address) !== 0 || entry.address === HOST_GATEWAY) && entry.names.length > 0;
  if (!valid || entry.names.includes('')) {
    throw new SwarmtsError(
      'invalid-argument',
      `bad host entry ${JSON.stringify(text)}: it needs a name and an address`,
    );
  }
  return entry;
}
