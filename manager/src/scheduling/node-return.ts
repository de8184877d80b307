/**
 * After a change of leader every node is unknown until it has registered again. Placing at once would heap everything that
 * waits onto the first node that comes back, so placement waits a moment for the others.
 */
import type { Clock, TimerHandle } from '@swarmts/lib';
import { type Node, NodeState } from '@swarmts/proto';

/** No further node came back for so long: the rest is not worth waiting for. */
const QUIET_MS = 500;
/** Longest wait, also when nobody comes back. */
const LONGEST_WAIT_MS = 2_000;

export class NodeReturn {
  readonly #awaited: Set<string>;
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #timer: TimerHandle | undefined;
  readonly #endsAtMs: number;

  /** `nodes` are those of the store when the leader takes over; `onOver` is called once, later, when waiting ends. */
  constructor(clock: Clock, nodes: readonly Node[], onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
    this.#awaited = new Set(nodes.filter((n) => n.status?.state !== NodeState.DOWN).map((n) => n.id));
    this.#endsAtMs = clock.monotonic() + LONGEST_WAIT_MS;
    if (this.#awaited.size > 0) this.#endAfter(LONGEST_WAIT_MS);
  }

  get waiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** A node's object changed from `old`. */
  changed(node: Node, old: Node | undefined): void {
    const state = node.status?.state;
    const wasUnknown = old?.status?.state === NodeState.UNKNOWN;
    if (state === NodeState.DOWN || (wasUnknown && state === NodeState.NODE_READY)) this.#arrived(node.id);
  }

  removed(nodeId: string): void {
    this.#arrived(nodeId);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arrived(nodeId: string): void {
    if (!this.#awaited.delete(nodeId)) return;
    this.#endAfter(this.waiting ? Math.min(QUIET_MS, this.#endsAtMs - this.#clock.monotonic()) : 0);
  }

  #endAfter(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => {
      this.#awaited.clear();
      this.#onOver();
    });
  }
}
