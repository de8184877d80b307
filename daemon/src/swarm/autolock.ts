/**
 * Keeps this manager's key file sealed as the cluster asks: with the unlock key while autolock is on, in clear otherwise. When
 * autolock is turned on, the TLS key is replaced too, because the old one has been on disk in clear.
 */
import type { Clock, Logger, TimerHandle, Watch } from '@swarmts/lib';
import type { CredentialStore, Manager } from '@swarmts/manager';

const RETRY_MS = 2_000;

export interface AutolockOptions {
  readonly manager: Manager;
  readonly store: CredentialStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets a new certificate for a new key. */
  readonly renew: () => Promise<void>;
  /** Membership operations run one after the other. */
  readonly serial: (fn: () => Promise<void>) => Promise<void>;
}

export class Autolock {
  readonly #o: AutolockOptions;
  readonly #watch: Watch;
  #retry: TimerHandle | undefined;
  #closed = false;

  constructor(options: AutolockOptions) {
    this.#o = options;
    this.#watch = options.manager.store.watch({
      change: (c) => c.kind === 'cluster' && this.#soon(),
      restored: () => this.#soon(),
    });
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    this.#retry?.cancel();
  }

  /** Seals what is to be sealed; a new certificate can wait until there is a leader. */
  async start(): Promise<void> {
    await this.#seal();
    if (this.#o.store.keyWasClear) this.#soon();
  }

  #soon(): void {
    this.#o
      .serial(() => this.#follow())
      .catch((error: unknown) => {
        this.#o.log.error('the keys could not be sealed as the swarm asks, trying again', { error });
        if (!this.#closed) this.#retry = this.#o.clock.after(RETRY_MS, () => this.#soon());
      });
  }

  async #follow(): Promise<void> {
    await this.#seal();
    if (!this.#closed && this.#o.store.keyWasClear) await this.#o.renew();
  }

  /** Brings the key file in line with the cluster. */
  async #seal(): Promise<void> {
    const { manager, store } = this.#o;
    const cluster = manager.store.view((tx) => tx.list('cluster')[0]);
    if (this.#closed || !cluster) return;
    const wanted =
      cluster.spec?.encryption?.autoLockManagers && cluster.unlockKey.length > 0 ? cluster.unlockKey : undefined;
    if (sameKey(wanted, store.unlockKey)) return;
    if (wanted) await store.lock(wanted);
    else await store.unseal();
    this.#o.log.info(
      wanted ? 'the keys of this manager are sealed' : 'the keys of this manager are not sealed any more',
    );
  }
}

function sameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (!a || !b) return a === b;
  return Buffer.compare(a, b) === 0;
}
