/** Keeps this node's certificate valid: asks the managers for another one at a random point of its life, and whenever it is told to. */
import { type Clock, isSwarmtsError, type Logger, type Random, type TimerHandle } from '@swarmts/lib';
import { askInTurn, type CredentialStore, renewCertificate } from '@swarmts/manager';

/** Part of a certificate's life after which it is renewed at the earliest, and by how much later at the latest. */
const EARLIEST = 0.5;
const SPREAD = 0.3;
const MIN_PAUSE_MS = 1_000;

export interface CertificateRenewalOptions {
  /** undefined in no swarm, and where the keys are sealed. */
  readonly store: () => CredentialStore | undefined;
  /** The addresses of managers to ask. */
  readonly managers: () => readonly string[];
  readonly signal: AbortSignal;
  /** Runs one operation on the membership after the other. */
  readonly serial: <T>(fn: () => Promise<T>) => Promise<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class CertificateRenewal {
  readonly #o: CertificateRenewalOptions;
  #timer: TimerHandle | undefined;

  constructor(options: CertificateRenewalOptions) {
    this.#o = options;
  }

  /** For the certificate that there is now. */
  schedule(): void {
    this.cancel();
    const { store, clock, random, log, serial, signal } = this.#o;
    const identity = store()?.identity;
    if (!identity || signal.aborted) return;
    const life = identity.notAfterMs - identity.notBeforeMs;
    const at = identity.notBeforeMs + life * (EARLIEST + SPREAD * random());
    this.#timer = clock.after(Math.max(MIN_PAUSE_MS, at - clock.now()), () => {
      serial(() => this.renew())
        .catch((e: unknown) => log.warn('certificate was not renewed, trying again', { error: e }))
        .finally(() => this.schedule());
    });
  }

  cancel(): void {
    this.#timer?.cancel();
  }

  /** Now. Throws SwarmtsError where no manager gives one. */
  async renew(): Promise<void> {
    const { signal } = this.#o;
    const store = this.#o.store();
    if (!store) return;
    const files = await askInTurn(
      this.#o.managers(),
      (addr) => renewCertificate(addr, store.credentials, signal),
      // What an external CA says it says through every manager.
      (e) => isSwarmtsError(e, 'failed-precondition'),
    );
    await store.replace(files);
  }
}
