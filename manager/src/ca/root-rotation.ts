/**
 * Brings a new root in without a moment in which two nodes do not trust each other: first every node is given both roots to trust, then
 * certificates are issued by the new one and all nodes renew theirs, and then the old one goes. A node that is away holds this up, as in
 * Swarm, until it is back or removed.
 */
import { X509Certificate } from 'node:crypto';
import { ControlLoop, type TimerHandle, type Watch } from '@swarmts/lib';
import { type Cluster, type Node, RootCa } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { sameCertificate, splitBundle } from './certificates.js';
import { newJoinToken } from './join-token.js';

const DEBOUNCE_MS = 20;
const MAX_DELAY_MS = 500;
/** Nodes that are told to renew at once, and the time between two such batches: the leader signs them all. */
const BATCH = 30;
const BATCH_PERIOD_MS = 3_000;

export class RootRotator implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  #watch: Watch | undefined;
  #timer: TimerHandle | undefined;
  #lastBatchMs = Number.NEGATIVE_INFINITY;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'root rotation',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({
      change: (c) => (c.kind === 'cluster' || c.kind === 'node') && this.#rotation && this.#loop.mark(),
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    this.#timer?.cancel();
    await this.#loop.stop();
  }

  get #cluster(): Cluster | undefined {
    return this.#c.store.view((tx) => tx.list('cluster')[0]);
  }

  get #rotation() {
    return this.#cluster?.rootCa?.rotation;
  }

  async #work(): Promise<void> {
    const rotation = this.#rotation;
    if (!rotation) return;
    const certPem = Buffer.from(rotation.certPem).toString();
    const nodes = this.#c.store.view((tx) => tx.list('node'));
    if (!rotation.issuing) {
      if (nodes.every((n) => trusts(n, certPem))) await this.#startIssuing(certPem);
      return;
    }
    const waiting = nodes.filter((n) => !isIssuedBy(n, certPem));
    if (waiting.length === 0) await this.#finish(certPem);
    else await this.#askToRenew(waiting.filter((n) => !n.certificateRotating));
  }

  async #startIssuing(certPem: string): Promise<void> {
    await this.#update((root) => {
      const { rotation } = root;
      return rotation && isSame(rotation.certPem, certPem)
        ? { ...root, rotation: { ...rotation, issuing: true } }
        : root;
    });
    this.#c.log.info('every node trusts the new root: certificates are issued by it now');
  }

  async #askToRenew(nodes: readonly Node[]): Promise<void> {
    if (nodes.length === 0) return;
    const waitMs = this.#lastBatchMs + BATCH_PERIOD_MS - this.#c.clock.monotonic();
    if (waitMs > 0) {
      this.#timer?.cancel();
      this.#timer = this.#c.clock.after(waitMs, () => this.#loop.mark());
      return;
    }
    this.#lastBatchMs = this.#c.clock.monotonic();
    await this.#c.store.batch(
      nodes.slice(0, BATCH),
      (tx, n) => {
        const node = tx.get('node', n.id);
        if (node) tx.update('node', { ...node, certificateRotating: true });
      },
      (n, error) => this.#c.log.warn('node could not be asked to renew its certificate', { node: n.id, error }),
    );
  }

  async #finish(certPem: string): Promise<void> {
    await this.#update((root) => {
      const { rotation } = root;
      if (!rotation || !isSame(rotation.certPem, certPem)) return root;
      const joinTokens = { worker: newJoinToken(certPem), manager: newJoinToken(certPem) };
      return RootCa.create({
        certPem: rotation.certPem,
        keyPem: rotation.keyPem,
        joinTokens,
        lastForcedRotation: root.lastForcedRotation,
      });
    });
    this.#c.log.info('the new root has taken over; join tokens are new');
  }

  async #update(change: (root: RootCa) => RootCa): Promise<void> {
    await this.#c.store.update((tx) => {
      const cluster = tx.list('cluster')[0];
      if (cluster?.rootCa) tx.update('cluster', { ...cluster, rootCa: change(cluster.rootCa) });
    });
  }
}

const isSame = (a: Uint8Array, certPem: string) => Buffer.from(a).toString() === certPem;

function trusts(n: Node, certPem: string): boolean {
  return splitBundle(n.description?.tlsInfo?.trustRoot ?? '').some((pem) => sameCertificate(pem, certPem));
}

export function isIssuedBy(n: Node, certPem: string): boolean {
  const key = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  return Buffer.from(n.description?.tlsInfo?.certIssuerPublicKey ?? []).equals(key);
}
