/**
 * Logs of tasks on any node: requests are sent to the nodes that hold the tasks, their lines come back through the
 * agents' streams. A node that cannot be asked is named, and the others are read all the same. Who follows a service follows its
 * tasks to come as well.
 */
import { newId, SwarmtsError, type Watch, WatchStream } from '@swarmts/lib';
import {
  LogChunk,
  type LogPlace,
  LogQuery,
  LogRequest,
  NodeState,
  observedState,
  type Task,
  TaskState,
} from '@swarmts/proto';
import type { Store } from '../store/store.js';
import type { AnyChange } from '../store/tables.js';
import { LogProgress } from './log-progress.js';

/** Chunks that wait for a slow reader before the nodes are told to wait as well. */
const PAUSE_AT = 64;
/** Nodes of an earlier release do not wait: then the subscription ends. */
const BUFFER_LIMIT = 10_000;

/** What is read. */
export interface LogSubject {
  readonly taskIds: readonly string[];
  /** Of followers: its tasks to come are read too; '' for none. */
  readonly serviceId: string;
  /** How far a leader before has read them. */
  readonly from: readonly LogPlace[];
}

interface Subscription {
  readonly subject: LogSubject;
  /** The tasks of the subject that are named. */
  readonly named: ReadonlySet<string>;
  readonly query: LogQuery;
  readonly stream: WatchStream<LogChunk>;
  /** Requests whose node has not said that it is done. */
  readonly waiting: Map<string, Request>;
  /** Tasks whose node was asked. */
  readonly asked: Set<string>;
  readonly progress: LogProgress;
  /** Of followers: tasks whose node went away while they were read. It may come back. */
  readonly cutOff: Set<string>;
  /** The nodes were told to wait for the reader. */
  isPaused: boolean;
  /** Nodes are still to be asked: it is not over, whatever those said that were. */
  isAsking: boolean;
}

interface Request {
  readonly nodeId: string;
  readonly taskIds: readonly string[];
}

export interface LogBrokerOptions {
  readonly store: Store;
  readonly request: (nodeId: string, r: LogRequest) => boolean;
}

export class LogBroker {
  readonly #o: LogBrokerOptions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #byRequest = new Map<string, Subscription>();
  #stopped = false;

  constructor(options: LogBrokerOptions) {
    this.#o = options;
  }

  /**
   * Lines of the tasks, in the order in which they come; ends when nothing more is to come from any node. Throws 'no-leader' when the
   * broker stops before that.
   */
  async *read(subject: LogSubject, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const s: Subscription = {
      ...{ subject, named: new Set(subject.taskIds), query, isPaused: false, isAsking: false },
      ...{ waiting: new Map(), asked: new Set(), progress: new LogProgress(subject.from), cutOff: new Set() },
      stream: new WatchStream(BUFFER_LIMIT, () => this.#setPaused(s, false)),
    };
    this.#subscriptions.add(s);
    const onAbort = () => s.stream.close();
    signal.addEventListener('abort', onAbort, { once: true });
    let watch: Watch | undefined;
    try {
      if (signal.aborted) return;
      this.#ask(s, subject.taskIds);
      if (query.follow) {
        watch = this.#o.store.watch({ change: (c) => this.#onChange(s, c) });
        this.#ask(s, this.#laterTasks(s));
      }
      this.#endIfOver(s);
      yield* s.stream;
      if (this.#stopped && !signal.aborted) throw new SwarmtsError('no-leader', 'the leader changed');
      if (s.stream.lagged) yield LogChunk.create({ error: 'the reader was too slow: lines were lost' });
    } finally {
      watch?.close();
      signal.removeEventListener('abort', onAbort);
      this.#forget(s);
    }
  }

  #forget(s: Subscription): void {
    this.#subscriptions.delete(s);
    for (const [subscriptionId, { nodeId }] of s.waiting) {
      this.#byRequest.delete(subscriptionId);
      this.#o.request(nodeId, LogRequest.create({ subscriptionId, cancel: true }));
    }
  }

  /** Tasks that the service got since it was asked for its tasks. */
  #laterTasks({ subject: { serviceId }, named }: Subscription): string[] {
    if (serviceId === '') return [];
    const ids = this.#o.store.view((tx) => tx.by('task', 'service', serviceId)).map((t) => t.id);
    return ids.filter((id) => !named.has(id));
  }

  /** Asks the nodes of those tasks that have one. */
  #ask(s: Subscription, taskIds: readonly string[]): void {
    const together: string[] = [];
    s.isAsking = true;
    for (const id of taskIds) {
      const query = this.#queryOf(s, id);
      if (query === s.query) together.push(id);
      else this.#askNodes(s, [id], query);
    }
    this.#askNodes(s, together, s.query);
    s.isAsking = false;
  }

  #queryOf({ named, query, progress }: Subscription, taskId: string): LogQuery {
    const place = progress.of(taskId);
    if (place && place.place !== '') return query;
    if (place) return LogQuery.create({ ...query, tail: -1, sinceNs: String(BigInt(place.timeNs || '0') + 1n) });
    // Of a task that comes later every line is new.
    return named.has(taskId) ? query : LogQuery.create({ ...query, tail: -1 });
  }

  #askNodes(s: Subscription, taskIds: readonly string[], query: LogQuery): void {
    // A node that has taken the task over says what comes of it, also before it has begun.
    const least = query.follow ? TaskState.ACCEPTED : TaskState.ASSIGNED;
    for (const [nodeId, ids] of this.#byNode(taskIds, least)) {
      for (const id of ids) s.asked.add(id);
      const subscriptionId = newId();
      s.waiting.set(subscriptionId, { nodeId, taskIds: ids });
      this.#byRequest.set(subscriptionId, s);
      const from = ids.flatMap((id) => s.progress.of(id) ?? []);
      const sent = this.#o.request(nodeId, LogRequest.create({ subscriptionId, taskIds: ids, query, from }));
      if (!sent) this.#notSent(s, subscriptionId, nodeId, ids);
      else if (s.isPaused) this.#o.request(nodeId, LogRequest.create({ subscriptionId, pause: true }));
    }
  }

  /** Who follows waits for a node that may be there in a moment. */
  #notSent(s: Subscription, requestId: string, nodeId: string, taskIds: readonly string[]): void {
    const isDown = this.#o.store.get('node', nodeId)?.status?.state === NodeState.DOWN;
    const waits = s.query.follow && !isDown;
    if (waits) for (const id of taskIds) s.cutOff.add(id);
    this.#done(s, requestId, waits ? '' : `node ${this.#nameOf(nodeId)} is not available: its logs are missing`);
  }

  #onChange(s: Subscription, c: AnyChange): void {
    if (c.kind === 'task' && this.#isOf(s, c.object)) {
      if (c.action === 'remove') this.#forgetTask(s, c.object.id);
      else if (observedState(c.object) === TaskState.ORPHANED && s.cutOff.delete(c.object.id))
        s.stream.push(LogChunk.create({ error: wentAway(this.#nameOf(c.object.nodeId)) }));
      else if (!s.asked.has(c.object.id)) this.#ask(s, [c.object.id]);
    } else if (c.kind !== 'service' || c.object.id !== s.subject.serviceId) return;
    this.#endIfOver(s);
  }

  #forgetTask({ asked, cutOff, progress }: Subscription, taskId: string): void {
    for (const known of [asked, cutOff]) known.delete(taskId);
    progress.forget(taskId);
  }

  /** Its node will not say more of it. */
  #isOrphaned(taskId: string): boolean {
    const task = this.#o.store.get('task', taskId);
    return task !== undefined && observedState(task) === TaskState.ORPHANED;
  }

  #isOf({ subject, named }: Subscription, task: Task): boolean {
    return named.has(task.id) || (subject.serviceId !== '' && task.serviceId === subject.serviceId);
  }

  #endIfOver(s: Subscription): void {
    if (!s.isAsking && s.waiting.size === 0 && !this.#expectsMore(s)) s.stream.close();
  }

  /** Whether a task may still come, or get a node. */
  #expectsMore({ subject, query, asked, cutOff }: Subscription): boolean {
    if (!query.follow) return false;
    const { store } = this.#o;
    if (subject.serviceId !== '') return store.get('service', subject.serviceId) !== undefined;
    return subject.taskIds.some((id) => {
      if (cutOff.has(id)) return true;
      const task = store.get('task', id);
      return task !== undefined && !asked.has(id) && observedState(task) <= TaskState.RUNNING;
    });
  }

  /** A chunk from an agent. */
  deliver(nodeId: string, chunk: LogChunk): void {
    const s = this.#byRequest.get(chunk.subscriptionId);
    if (s?.waiting.get(chunk.subscriptionId)?.nodeId !== nodeId) return;
    if (chunk.lines.length > 0 || chunk.places.length > 0) s.stream.push(chunk);
    if (s.stream.waiting >= PAUSE_AT) this.#setPaused(s, true);
    s.progress.note(chunk);
    if (chunk.done) this.#done(s, chunk.subscriptionId, chunk.error);
  }

  #setPaused(s: Subscription, isPaused: boolean): void {
    if (s.isPaused === isPaused) return;
    s.isPaused = isPaused;
    for (const [subscriptionId, { nodeId }] of s.waiting)
      this.#o.request(nodeId, LogRequest.create({ subscriptionId, ...(isPaused ? { pause: true } : { goOn: true }) }));
  }

  /** The node's session ended: nothing more comes from it, unless it comes back to somebody who follows. */
  nodeGone(nodeId: string): void {
    for (const s of this.#subscriptions) {
      const requests = [...s.waiting].filter(([, r]) => r.nodeId === nodeId);
      const ids = requests.flatMap(([, { taskIds }]) => taskIds);
      const back = ids.filter((id) => s.query.follow && !this.#isOrphaned(id));
      for (const id of back) s.cutOff.add(id);
      const error = back.length < ids.length ? wentAway(this.#nameOf(nodeId)) : '';
      for (const [i, [id]] of requests.entries()) this.#done(s, id, i === 0 ? error : '');
    }
  }

  /** The node has a session: those who follow its tasks go on after the last line that they have. */
  nodeReady(nodeId: string): void {
    for (const s of this.#subscriptions) {
      for (const id of s.cutOff) {
        if (this.#o.store.get('task', id)?.nodeId !== nodeId) continue;
        s.cutOff.delete(id);
        this.#ask(s, [id]);
      }
      this.#endIfOver(s);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const s of this.#subscriptions) s.stream.close();
  }

  #done(s: Subscription, requestId: string, error: string): void {
    if (error !== '') s.stream.push(LogChunk.create({ error }));
    s.waiting.delete(requestId);
    this.#byRequest.delete(requestId);
    this.#endIfOver(s);
  }

  #byNode(taskIds: readonly string[], from: TaskState): Map<string, string[]> {
    const byNode = new Map<string, string[]>();
    for (const id of taskIds) {
      const task = this.#o.store.get('task', id);
      if (!task || task.nodeId === '' || observedState(task) < from || this.#isOrphaned(id)) continue;
      byNode.set(task.nodeId, [...(byNode.get(task.nodeId) ?? []), id]);
    }
    return byNode;
  }

  #nameOf(nodeId: string): string {
    return this.#o.store.get('node', nodeId)?.description?.hostname || nodeId;
  }
}

function wentAway(node: string): string {
  return `node ${node} went away: the rest of its logs is missing`;
}
