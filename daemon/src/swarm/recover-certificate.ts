/** How a node whose certificate has expired gets another one for itself: with a join token of its role, from any manager. */
import { isSwarmtsError } from '@swarmts/lib';
import { askInTurn, type CredentialStore, recoverCertificate } from '@swarmts/manager';
import { defaults } from '@swarmts/proto';
import { joinHostPort, splitHostPort } from './addresses.js';

/** `addrs` are HOST or HOST:PORT. Throws SwarmtsError. */
export async function recoverFrom(
  addrs: readonly string[],
  token: string,
  store: CredentialStore,
  signal: AbortSignal,
): Promise<void> {
  const files = await askInTurn(
    addrs.map((text) => joinHostPort(splitHostPort(text, defaults.listenPort))),
    (addr) => recoverCertificate(addr, token, store.credentials, signal),
    (e) => !isSwarmtsError(e, 'unavailable', 'timeout'),
  );
  await store.replace(files);
}
