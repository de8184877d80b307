/** Where the daemon listens: the -H flag, else SWARMTS_HOST, else DOCKER_HOST, else the default socket. */
import { CommandError } from '../exit.js';

export const DEFAULT_HOST = 'unix:///run/swarmts/swarmts.sock';

export type Host =
  | { readonly kind: 'unix'; readonly url: string; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly url: string; readonly hostname: string; readonly port: number };

export function chooseHost(flag: string, env: Readonly<Record<string, string | undefined>>): Host {
  return parseHost(flag || env.SWARMTS_HOST || env.DOCKER_HOST || DEFAULT_HOST);
}

export function parseHost(url: string): Host {
  const unix = /^unix:\/\/(.+)$/.exec(url);
  if (unix?.[1]) return { kind: 'unix', url, socketPath: unix[1] };
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+)(?::(\d+))?\/?$/.exec(url);
  if (tcp?.[1]) {
    return { kind: 'tcp', url, hostname: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2] ?? 2375) };
  }
  throw new CommandError(`unable to parse docker host \`${url}\``);
}
