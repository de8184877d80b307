/**
 * Where the daemon listens: the -H flag, else SWARMTS_HOST, else DOCKER_HOST, else the default socket; and with which certificate,
 * by the flags and variables of Docker's client.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandError, fileErrorText } from '../exit.js';

export const DEFAULT_HOST = 'unix:///run/swarmts/swarmts.sock';
const builtin = createRequire(import.meta.url);
/** Without TLS there is no name of the server; finding out that it has none would take longer than connecting to it. */
export const PLAIN = { servername: '' };
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;
const MAX_SOCKETS = 16;

export type Host =
  | { readonly kind: 'unix'; readonly url: string; readonly socketPath: string }
  | {
      readonly kind: 'tcp';
      readonly url: string;
      readonly hostname: string;
      readonly port: number;
      readonly tls?: ClientTls;
    };

/** The PEM texts of the client; what is not there is not shown or not asked for. */
export interface ClientTls {
  readonly verify: boolean;
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface TlsFlags {
  readonly tls: boolean;
  /** undefined: as DOCKER_TLS_VERIFY says. */
  readonly verify: boolean | undefined;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const NO_TLS: TlsFlags = { tls: false, verify: undefined, ca: '', cert: '', key: '' };

export function chooseHost(flag: string, env: Env, flags: TlsFlags = NO_TLS): Host {
  const url = flag || env.SWARMTS_HOST || env.DOCKER_HOST || DEFAULT_HOST;
  const verify = flags.verify ?? Boolean(env.DOCKER_TLS_VERIFY);
  const wanted = flags.tls || verify || Boolean(env.DOCKER_TLS);
  const host = parseHost(url, wanted ? TLS_PORT : PLAIN_PORT);
  return host.kind === 'tcp' && wanted ? { ...host, tls: readTls(flags, verify, env) } : host;
}

function parseHost(url: string, defaultPort: number): Host {
  const unix = /^unix:\/\/(.+)$/.exec(url);
  if (unix?.[1]) return { kind: 'unix', url, socketPath: unix[1] };
  const tcp = /^(?:tcp|https?):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+)(?::(\d+))?\/?$/.exec(url);
  if (tcp?.[1]) {
    return { kind: 'tcp', url, hostname: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2] ?? defaultPort) };
  }
  throw new CommandError(`unable to parse docker host \`${url}\``);
}

/** Files that a flag names must be there; those of the folder are taken where they are. */
function readTls(flags: TlsFlags, verify: boolean, env: Env): ClientTls {
  const folder = env.DOCKER_CERT_PATH || env.DOCKER_CONFIG || join(env.HOME ?? homedir(), '.docker');
  const read = (named: string, name: string): Buffer | undefined => {
    const path = named || join(folder, name);
    if (named === '' && !existsSync(path)) return undefined;
    try {
      return readFileSync(path);
    } catch (e) {
      throw new CommandError(`could not read ${path} for TLS: ${fileErrorText(e)}`);
    }
  };
  const [ca, cert, key] = [read(flags.ca, 'ca.pem'), read(flags.cert, 'cert.pem'), read(flags.key, 'key.pem')];
  if ((cert === undefined) !== (key === undefined))
    throw new CommandError('a client certificate needs its key: give --tlscert and --tlskey, or neither');
  return { verify, ...(ca && verify ? { ca } : {}), ...(cert && key ? { cert, key } : {}) };
}

/** The agent that makes connections to the host itself. */
export function agentOf(host: Host): Agent {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  if (!isTls(host)) return new Agent(options);
  // Most commands never need it, and loading it takes longer than they do.
  const https = builtin('node:https') as typeof import('node:https');
  return new https.Agent(options);
}

/** What `request` of node:http needs to reach the host by such an agent. */
export function targetOf(host: Host) {
  if (host.kind === 'unix') return { ...PLAIN, socketPath: host.socketPath, host: 'swarmts' };
  const target = { host: host.hostname, port: host.port };
  if (!host.tls) return { ...PLAIN, ...target };
  const { verify, ...files } = host.tls;
  return { ...target, ...files, protocol: 'https:', rejectUnauthorized: verify };
}

function isTls(host: Host): boolean {
  return host.kind === 'tcp' && host.tls !== undefined;
}
