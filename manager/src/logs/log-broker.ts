/**
 * Logs of tasks on any node: a subscription is sent to the nodes that hold the tasks, their lines come back through the
 * agents' streams. A node that cannot be asked is named, and the others are read all the same.
 */
import { newId, WatchStream } from '@swarmts/lib';
import { LogChunk, type LogQuery, LogRequest, observedState, type Task, TaskState } from '@swarmts/proto';
import type { Store } from '../store/store.js';

/** Chunks that may wait for a slow reader before the subscription ends. */
const BUFFER_LIMIT = 10_000;

interface Subscription {
  readonly stream: WatchStream<LogChunk>;
  /** Nodes that have not said that they are done. */
  readonly waiting: Set<string>;
}

export interface LogBrokerOptions {
  readonly store: Store;
  readonly request: (nodeId: string, r: LogRequest) => boolean;
}

export class LogBroker {
  readonly #o: LogBrokerOptions;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(options: LogBrokerOptions) {
    this.#o = options;
  }

  /** Lines of the tasks, in the order in which they come; ends when every node is done, or never when following. */
  async *read(taskIds: readonly string[], query: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const byNode = this.#byNode(taskIds);
    const id = newId();
    const subscription: Subscription = { stream: new WatchStream(BUFFER_LIMIT), waiting: new Set(byNode.keys()) };
    this.#subscriptions.set(id, subscription);
    const onAbort = () => subscription.stream.close();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) return;
      for (const [nodeId, ids] of byNode) {
        const sent = this.#o.request(nodeId, LogRequest.create({ subscriptionId: id, taskIds: ids, query }));
        if (!sent)
          this.#done(subscription, nodeId, `node ${this.#nameOf(nodeId)} is not available: its logs are missing`);
      }
      if (subscription.waiting.size === 0) subscription.stream.close();
      yield* subscription.stream;
      if (subscription.stream.lagged) yield LogChunk.create({ error: 'the reader was too slow: lines were lost' });
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#subscriptions.delete(id);
      for (const nodeId of subscription.waiting)
        this.#o.request(nodeId, LogRequest.create({ subscriptionId: id, cancel: true }));
    }
  }

  /** A chunk from an agent. */
  deliver(nodeId: string, chunk: LogChunk): void {
    const subscription = this.#subscriptions.get(chunk.subscriptionId);
    if (!subscription?.waiting.has(nodeId)) return;
    if (chunk.lines.length > 0) subscription.stream.push(chunk);
    if (chunk.done) this.#done(subscription, nodeId, chunk.error);
  }

  /** The node's session ended: nothing more comes from it. */
  nodeGone(nodeId: string): void {
    for (const s of this.#subscriptions.values()) {
      if (s.waiting.has(nodeId))
        this.#done(s, nodeId, `node ${this.#nameOf(nodeId)} went away: the rest of its logs is missing`);
    }
  }

  stop(): void {
    for (const s of this.#subscriptions.values()) s.stream.close();
  }

  #done(s: Subscription, nodeId: string, error: string): void {
    if (error !== '') s.stream.push(LogChunk.create({ error }));
    s.waiting.delete(nodeId);
    if (s.waiting.size === 0) s.stream.close();
  }

  #byNode(taskIds: readonly string[]): Map<string, string[]> {
    const byNode = new Map<string, string[]>();
    for (const id of taskIds) {
      const task = this.#o.store.get('task', id);
      if (!task || !hasLogs(task)) continue;
      byNode.set(task.nodeId, [...(byNode.get(task.nodeId) ?? []), id]);
    }
    return byNode;
  }

  #nameOf(nodeId: string): string {
    return this.#o.store.get('node', nodeId)?.description?.hostname || nodeId;
  }
}

function hasLogs(t: Task): boolean {
  return t.nodeId !== '' && observedState(t) >= TaskState.ASSIGNED && observedState(t) !== TaskState.ORPHANED;
}
