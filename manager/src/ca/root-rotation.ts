/**
 * Brings a new root in without a moment in which two nodes do not trust each other: first every node is given both roots to trust, then
 * certificates are issued by the new one and all nodes renew theirs, and then the old one goes. A node that is away holds this up, as in
 * Swarm, until it is back or removed.
 */
import { type Cluster, type Node, RootCa } from '@swarmts/proto';
import type { LeaderContext } from '../leader-component.js';
import { LeaderLoop, UNTIL_CHANGED } from '../leader-loop.js';
import type { AnyChange } from '../store/tables.js';
import { newJoinToken } from './join-token.js';
import { ReportedRoot } from './reported-root.js';

const DEBOUNCE_MS = 20;
const MAX_DELAY_MS = 500;
/** Nodes that are told to renew at once, and the time between two such batches: the leader signs them all. */
const BATCH = 30;
const BATCH_PERIOD_MS = 3_000;

export class RootRotator extends LeaderLoop {
  #lastBatchMs = Number.NEGATIVE_INFINITY;
  #next: ReportedRoot | undefined;

  constructor(context: LeaderContext) {
    super(context, 'root rotation', { debounceMs: DEBOUNCE_MS, maxDelayMs: MAX_DELAY_MS });
  }

  protected override concerns(c: AnyChange): boolean {
    return (c.kind === 'cluster' || c.kind === 'node') && this.#rotation !== undefined;
  }

  get #cluster(): Cluster | undefined {
    return this.context.store.view((tx) => tx.list('cluster')[0]);
  }

  get #rotation() {
    return this.#cluster?.rootCa?.rotation;
  }

  protected override async work(): Promise<number> {
    const rotation = this.#rotation;
    if (!rotation) return UNTIL_CHANGED;
    const certPem = Buffer.from(rotation.certPem).toString();
    if (this.#next?.certPem !== certPem) this.#next = new ReportedRoot(certPem);
    const next = this.#next;
    const nodes = this.context.store.view((tx) => tx.list('node'));
    if (!rotation.issuing) {
      if (nodes.every((n) => this.#trusts(n, next))) await this.#startIssuing(certPem);
      return UNTIL_CHANGED;
    }
    const waiting = nodes.filter((n) => !next.hasIssuedFor(n));
    if (waiting.length > 0) return this.#askToRenew(waiting.filter((n) => !n.certificateRotating));
    await this.#finish(certPem);
    return UNTIL_CHANGED;
  }

  /** A node that reports what is no certificate holds this up like one that is away, and ends nothing. */
  #trusts(n: Node, root: ReportedRoot): boolean {
    try {
      return root.isTrustedBy(n);
    } catch (error) {
      this.context.log.warn('a node reports trust in what is no certificate: the new root waits for it', {
        node: n.id,
        error,
      });
      return false;
    }
  }

  async #startIssuing(certPem: string): Promise<void> {
    await this.#update((root) => {
      const { rotation } = root;
      return rotation && isSame(rotation.certPem, certPem)
        ? { ...root, rotation: { ...rotation, issuing: true } }
        : root;
    });
    this.context.log.info('every node trusts the new root: certificates are issued by it now');
  }

  /** Resolves to when the next ones are to be asked. */
  async #askToRenew(nodes: readonly Node[]): Promise<number> {
    if (nodes.length === 0) return UNTIL_CHANGED;
    const waitMs = this.#lastBatchMs + BATCH_PERIOD_MS - this.context.clock.monotonic();
    if (waitMs > 0) return waitMs;
    this.#lastBatchMs = this.context.clock.monotonic();
    await this.context.store.batch(
      nodes.slice(0, BATCH),
      (tx, n) => {
        const node = tx.get('node', n.id);
        if (node) tx.update('node', { ...node, certificateRotating: true });
      },
      (n, error) => this.context.log.warn('node could not be asked to renew its certificate', { node: n.id, error }),
    );
    return UNTIL_CHANGED;
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
    this.context.log.info('the new root has taken over; join tokens are new');
  }

  async #update(change: (root: RootCa) => RootCa): Promise<void> {
    await this.context.store.update((tx) => {
      const cluster = tx.list('cluster')[0];
      if (cluster?.rootCa) tx.update('cluster', { ...cluster, rootCa: change(cluster.rootCa) });
    });
  }
}

const isSame = (a: Uint8Array, certPem: string) => Buffer.from(a).toString() === certPem;
