/** How the API listens: the group of its unix sockets, and what TCP addresses ask of their clients. */
import { readFileSync } from 'node:fs';
import type { ListenOptions, TlsMaterial, TlsSource } from '@swarmts/api';
import { type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import type { DaemonConfig } from './config/config.js';
import { DEFAULT_GROUP } from './config/defaults.js';

const GROUPS = '/etc/group';

/** Throws SwarmtsError 'invalid-argument' for files that cannot be read and groups that do not exist. */
export function listenOptionsOf(config: DaemonConfig, address: string, cluster: TlsSource, log: Logger): ListenOptions {
  if (address.startsWith('unix://')) return groupOptions(config.group, readFileSync(GROUPS, 'utf8'));
  const { tls } = config;
  if (tls.kind === 'cluster') return { tls: cluster };
  if (tls.kind === 'insecure' || tls.ca === '')
    log.warn('everybody who reaches this address is root on this machine', { address });
  return tls.kind === 'insecure' ? {} : { tls: { material: materialOf(tls), onChange: () => undefined } };
}

/** `groups` has the form of /etc/group. */
export function groupOptions(wanted: string, groups: string): ListenOptions {
  const name = wanted === '' ? DEFAULT_GROUP : wanted;
  const entries = groups.split('\n').map((line) => line.split(':'));
  const [, , id] = entries.find((e) => e[0] === name) ?? entries.find((e) => /^\d+$/.test(name) && e[2] === name) ?? [];
  if (id !== undefined && /^\d+$/.test(id)) return { groupId: Number(id) };
  if (wanted === '') return {};
  throw new SwarmtsError(
    'invalid-argument',
    `group ${wanted} of the API's socket does not exist: make it with groupadd`,
  );
}

function materialOf(tls: { readonly ca: string; readonly cert: string; readonly key: string }): TlsMaterial {
  const read = (flag: string, path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (e) {
      throw new SwarmtsError('invalid-argument', `--${flag}: cannot read ${path}: ${messageOf(e)}`, { cause: e });
    }
  };
  return {
    certPem: read('tlscert', tls.cert),
    keyPem: read('tlskey', tls.key),
    ...(tls.ca === '' ? {} : { clientCaPem: read('tlscacert', tls.ca) }),
  };
}
