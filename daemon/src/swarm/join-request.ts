/**
 * Asks the managers of a join request for a certificate, one after the other. A manager records a node with every certificate
 * that it issues: the addresses of this node are therefore resolved first, and nobody is asked with wrong ones.
 */
import type { JoinRequest } from '@swarmts/api';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
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
  let last: unknown = new SwarmtsError('invalid-argument', 'at least 1 RemoteAddr is required to join');
  for (const remote of remotes) {
    const advertise = resolveJoinAddr(r.advertiseAddr, remote, own.listen, own.interfaces);
    const dataPathAddr = resolveDataPathAddr(r.dataPathAddr, advertise, own.interfaces);
    try {
      return { remote, advertise, dataPathAddr, answer: await ask(remote) };
    } catch (e) {
      last = e;
      if (!isSwarmtsError(e, 'unavailable', 'timeout')) throw e;
    }
  }
  throw last;
}
