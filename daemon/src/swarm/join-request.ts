/**
 * Asks the managers of a join request for a certificate, one after the other. A manager records a node with every certificate
 * that it issues: the addresses of this node are therefore resolved first, and nobody is asked with wrong ones.
 */
import type { JoinRequest } from '@swarmts/api';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { askInTurn } from '@swarmts/manager';
import { defaults } from '@swarmts/proto';
import {
  type HostPort,
  type Interfaces,
  joinHostPort,
  resolveDataPathAddr,
  resolveJoinAddr,
  splitHostPort,
} from './addresses.js';

export interface JoinAddresses {
  /** The manager that issued the certificate, HOST:PORT. */
  readonly remote: string;
  readonly advertise: HostPort;
  readonly dataPathAddr: string;
}

/** Throws SwarmtsError: that of the last manager when none can be asked. */
export async function askManagers<T>(
  r: Pick<JoinRequest, 'remoteAddrs' | 'advertiseAddr' | 'dataPathAddr'>,
  own: { readonly listen: HostPort; readonly interfaces: Interfaces },
  ask: (remote: string) => Promise<T>,
): Promise<JoinAddresses & { readonly answer: T }> {
  const remotes = r.remoteAddrs.map((text) => joinHostPort(splitHostPort(text, defaults.listenPort)));
  if (remotes.length === 0) throw new SwarmtsError('invalid-argument', 'at least 1 RemoteAddr is required to join');
  return askInTurn(
    remotes,
    async (remote) => {
      const advertise = resolveJoinAddr(r.advertiseAddr, remote, own.listen, own.interfaces);
      const dataPathAddr = resolveDataPathAddr(r.dataPathAddr, advertise, own.interfaces);
      return { remote, advertise, dataPathAddr, answer: await ask(remote) };
    },
    (e) => !isSwarmtsError(e, 'unavailable', 'timeout'),
  );
}
