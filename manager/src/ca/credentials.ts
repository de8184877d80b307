/**
 * A node's credentials in use: key, certificate and the cluster's root. Servers and clients that were made from one
 * `Credentials` follow when the certificate is renewed.
 */
import * as grpc from '@grpc/grpc-js';
import { MAX_GRPC_ANSWER_BYTES, MAX_GRPC_MESSAGE_BYTES } from '@swarmts/proto';
import { identityOf, MANAGER_OU, type NodeIdentity } from './certificates.js';

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
  'grpc.max_receive_message_length': MAX_GRPC_ANSWER_BYTES,
  'grpc.max_send_message_length': MAX_GRPC_MESSAGE_BYTES,
  // An agent has to find out that the leader's machine has lost its power before the next leader takes the node for lost.
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 2_500,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Every client has a connection of its own: a dead one must not be shared.
  'grpc.use_local_subchannel_pool': 1,
};
