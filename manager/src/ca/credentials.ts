/**
 * A node's credentials on disk and in use: key, certificate and the cluster's root. Servers and clients that were
 * made from one `Credentials` follow when the certificate is renewed.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { readFileIfThere, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import { MAX_GRPC_MESSAGE_BYTES } from '@swarmts/proto';
import { identityOf, keyMatches, MANAGER_OU, type NodeIdentity } from './certificates.js';

export interface CredentialFiles {
  readonly rootPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export class Credentials {
  #files: CredentialFiles;
  #identity: NodeIdentity;
  readonly #listeners = new Set<() => void>();

  constructor(files: CredentialFiles) {
    this.#files = files;
    this.#identity = identityOf(files.certPem);
  }

  get files(): CredentialFiles {
    return this.#files;
  }

  get identity(): NodeIdentity {
    return this.#identity;
  }

  replace(files: CredentialFiles): void {
    this.#files = files;
    this.#identity = identityOf(files.certPem);
    for (const l of this.#listeners) l();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Server credentials that ask for a client certificate without insisting on one (a joiner has none yet). */
  server(): grpc.ServerCredentials {
    const watched = <U>(read: () => U) => {
      const unsubscribe = new Map<(u: U) => void, () => void>();
      return {
        add: (l: (u: U) => void) => {
          const tell = () => l(read());
          unsubscribe.set(l, this.onChange(tell));
          // Not at once: grpc-js registers its own watcher only after it has registered this listener.
          queueMicrotask(tell);
        },
        remove: (l: (u: U) => void) => unsubscribe.get(l)?.(),
      };
    };
    const ca = watched(() => ({ caCertificate: Buffer.from(this.#files.rootPem) }));
    const identity = watched(() => ({
      certificate: Buffer.from(this.#files.certPem),
      privateKey: Buffer.from(this.#files.keyPem),
    }));
    const provider = {
      addCaCertificateListener: ca.add,
      removeCaCertificateListener: ca.remove,
      addIdentityCertificateListener: identity.add,
      removeIdentityCertificateListener: identity.remove,
    };
    return grpc.experimental.createCertificateProviderServerCredentials(provider, provider, false);
  }

  /** Client credentials for a connection to a manager of this cluster. */
  client(): grpc.ChannelCredentials {
    const { rootPem, certPem, keyPem } = this.#files;
    return grpc.credentials.createSsl(Buffer.from(rootPem), Buffer.from(keyPem), Buffer.from(certPem));
  }
}

/** Channel options for connections to managers: their certificates carry the role's name, not an address. */
export const managerChannelOptions: grpc.ChannelOptions = {
  'grpc.ssl_target_name_override': MANAGER_OU,
  'grpc.default_authority': MANAGER_OU,
  'grpc.max_receive_message_length': MAX_GRPC_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_GRPC_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Every client has a connection of its own: a dead one must not be shared.
  'grpc.use_local_subchannel_pool': 1,
};

const NAMES = { rootPem: 'swarm-root-ca.crt', certPem: 'swarm-node.crt', keyPem: 'swarm-node.key' } as const;

/** Undefined when the node belongs to no cluster. Throws 'corrupt' when key and certificate do not belong together. */
export async function loadCredentials(dir: string): Promise<Credentials | undefined> {
  const [rootPem, certPem, keyPem] = await Promise.all(
    [NAMES.rootPem, NAMES.certPem, NAMES.keyPem].map((n) => readFileIfThere(join(dir, n))),
  );
  const next = await readFileIfThere(join(dir, `${NAMES.certPem}.next`));
  if (rootPem === undefined || keyPem === undefined) return undefined;
  // A renewal writes the new certificate beside the old one before it replaces the key: a crash between leaves both.
  const matching = [certPem, next].find((c) => c !== undefined && keyMatches(keyPem, c));
  if (matching === undefined) {
    if (certPem === undefined) return undefined;
    throw new SwarmtsError(
      'corrupt',
      `key and certificate in ${dir} do not belong together: restore them, or remove the folder and join again`,
    );
  }
  return new Credentials({ rootPem, certPem: matching, keyPem });
}

export async function saveCredentials(dir: string, files: CredentialFiles): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(dir, NAMES.rootPem), files.rootPem, 0o644);
  await writeFileAtomic(join(dir, `${NAMES.certPem}.next`), files.certPem, 0o644);
  await writeFileAtomic(join(dir, NAMES.keyPem), files.keyPem, 0o600);
  await writeFileAtomic(join(dir, NAMES.certPem), files.certPem, 0o644);
  await rm(join(dir, `${NAMES.certPem}.next`), { force: true });
}
