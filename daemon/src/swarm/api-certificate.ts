/**
 * The certificate that this node's API shows on TCP, from the cluster's CA. It is asked for when the node is in a swarm, again when
 * its address, its name or the CA has changed, and before it ends. It is kept in memory alone: a manager that is locked has
 * no key on its disk in clear.
 */
import { X509Certificate } from 'node:crypto';
import type { TlsMaterial, TlsSource } from '@swarmts/api';
import { type Clock, ControlLoop, type Logger, type Random, type TimerHandle } from '@swarmts/lib';
import { askInTurn, type CredentialFiles, type Credentials, requestApiCertificate } from '@swarmts/manager';
import type { Node } from '@swarmts/proto';

export interface ApiCertificateOptions {
  readonly credentials: () => Credentials | undefined;
  /** The node's record as the managers have it; undefined while it is not known. */
  readonly record: () => Node | undefined;
  /** Serial numbers of the clients' certificates that were taken back. */
  readonly revokedClients: () => ReadonlySet<string>;
  /** Addresses to ask, the best first. */
  readonly managers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How a certificate is asked for. */
  readonly request?: typeof requestApiCertificate;
}

const DEBOUNCE_MS = 50;
const MAX_DELAY_MS = 500;
/** Share of its life after which a certificate is replaced. */
const RENEW_AFTER = 0.6;

interface Issued {
  readonly files: CredentialFiles;
  /** What it was asked for with. */
  readonly key: string;
  readonly renewAtMs: number;
}

export class ApiCertificate implements TlsSource {
  readonly #o: ApiCertificateOptions;
  readonly #loop: ControlLoop;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #issued: Issued | undefined;
  #revoked: ReadonlySet<string> = new Set();
  #timer: TimerHandle | undefined;

  constructor(options: ApiCertificateOptions) {
    this.#o = options;
    this.#loop = new ControlLoop({
      ...options,
      name: 'api-certificate',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  get material(): TlsMaterial | undefined {
    const credentials = this.#o.credentials();
    if (!credentials || !this.#issued) return undefined;
    const { certPem, keyPem } = this.#issued.files;
    return {
      certPem,
      keyPem,
      clientCaPem: credentials.files.rootPem,
      clusterId: credentials.identity.clusterId,
      revoked: this.#revoked,
    };
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Membership, record or certificates of the node have changed, perhaps. */
  mark(): void {
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#loop.stop();
  }

  async #work(): Promise<void> {
    this.#follow(this.#o.revokedClients());
    const credentials = this.#o.credentials();
    const record = this.#o.record();
    if (!credentials) {
      if (this.#issued) this.#replace(undefined);
      return;
    }
    if (!record) return;
    const key = keyOf(credentials, record);
    const nowMs = this.#o.clock.now();
    if (this.#issued && this.#issued.key === key && nowMs < this.#issued.renewAtMs) return;
    const files = await this.#ask(credentials);
    const cert = new X509Certificate(files.certPem);
    const lifeMs = Date.parse(cert.validTo) - nowMs;
    this.#replace({ files, key, renewAtMs: nowMs + lifeMs * RENEW_AFTER });
    this.#timer?.cancel();
    this.#timer = this.#o.clock.after(lifeMs * RENEW_AFTER, () => this.mark());
  }

  #follow(revoked: ReadonlySet<string>): void {
    const before = this.#revoked;
    if (revoked.size === before.size && [...revoked].every((serial) => before.has(serial))) return;
    this.#revoked = revoked;
    this.#notify();
  }

  #ask(credentials: Credentials): Promise<CredentialFiles> {
    const request = this.#o.request ?? requestApiCertificate;
    return askInTurn(
      this.#o.managers(),
      (addr) => request(addr, credentials, this.#stop.signal),
      () => false,
    );
  }

  #replace(issued: Issued | undefined): void {
    this.#issued = issued;
    this.#notify();
  }

  #notify(): void {
    for (const l of this.#listeners) l();
  }
}

/** Another key, another certificate. */
function keyOf(credentials: Credentials, record: Node): string {
  const { identity, files } = credentials;
  const names = [record.status?.addr, record.managerStatus?.addr, record.description?.hostname];
  return JSON.stringify([identity.nodeId, identity.clusterId, files.rootPem, ...names]);
}
