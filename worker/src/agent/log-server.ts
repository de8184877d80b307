/** Serves log requests of the managers: reads the containers' logs and sends them in chunks. */
import { isSwarmtsError, type Logger, messageOf } from '@swarmts/lib';
import { LogChunk, LogLine, LogPlace, type LogQuery, type LogRequest } from '@swarmts/proto';
import type { ContainerEngine } from '../engine/engine-api.js';
import type { LogOptions, LogPosition } from '../logs/log-api.js';
import { PlaceInLog } from '../logs/place-in-log.js';

/** Lines and bytes per chunk; a chunk also goes out when nothing more is ready. */
const CHUNK_LINES = 200;
const CHUNK_BYTES = 256 * 1024;
const FLUSH_MS = 20;

export interface LogServerOptions {
  readonly engine: ContainerEngine;
  readonly log: Logger;
  readonly containerOf: (taskId: string) => string | undefined;
  /** The task has ended, or is none of this node's. */
  readonly isOver: (taskId: string) => boolean;
  readonly send: (chunk: LogChunk) => void;
  /** Resolves when there is room for more chunks. */
  readonly drained: () => Promise<void>;
}

/** A request that is being served. */
interface Serving {
  readonly abort: AbortController;
  /** Set while the reader does not keep up. */
  pause?: { readonly over: Promise<void>; readonly end: () => void };
}

export class LogServer {
  readonly #o: LogServerOptions;
  readonly #active = new Map<string, Serving>();
  /** Followers of tasks that have not started yet. */
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;

  constructor(options: LogServerOptions) {
    this.#o = options;
    this.#unsubscribe = options.engine.onEvent((e) => {
      if (e.type === 'container') this.taskChanged();
    });
  }

  #cancel(all: Iterable<Serving>): void {
    for (const s of all) {
      s.abort.abort();
      goOn(s);
    }
    // Those who wait for a container see that they do not any more.
    this.taskChanged();
  }

  /** Of any task: one that is waited for may have started or ended. */
  taskChanged(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const look of waiting) look();
  }

  handle(r: LogRequest): void {
    const known = this.#active.get(r.subscriptionId);
    if (known && r.cancel) this.#cancel([known]);
    if (known && r.pause) pause(known);
    if (known && r.goOn) goOn(known);
    if (!r.query || known) return;
    const serving: Serving = { abort: new AbortController() };
    this.#active.set(r.subscriptionId, serving);
    this.#serve(r, r.query, serving)
      .catch((e: unknown) => this.#o.log.warn('logs could not be served', { error: e }))
      .finally(() => this.#active.delete(r.subscriptionId));
  }

  /** The session ended: nobody listens any more. */
  stop(): void {
    this.#cancel(this.#active.values());
  }

  /** No more requests come. */
  close(): void {
    this.#unsubscribe();
    this.stop();
  }

  async #serve(r: LogRequest, query: LogQuery, serving: Serving): Promise<void> {
    const { signal } = serving.abort;
    const errors: string[] = [];
    await Promise.all(
      r.taskIds.map(async (taskId) => {
        try {
          await this.#serveTask(r, taskId, query, serving);
        } catch (e) {
          if (!signal.aborted && !isSwarmtsError(e, 'not-found')) errors.push(`task ${taskId}: ${messageOf(e)}`);
        }
      }),
    );
    if (!signal.aborted)
      this.#o.send(LogChunk.create({ subscriptionId: r.subscriptionId, done: true, error: errors.join('; ') }));
  }

  /** The task's container, as soon as there is something to follow, or nothing will come. */
  async #untilStarted(taskId: string, signal: AbortSignal): Promise<string | undefined> {
    for (;;) {
      const id = this.#o.containerOf(taskId);
      const isStarted = id !== undefined && this.#o.engine.find(id)?.state !== 'created';
      if (isStarted || this.#o.isOver(taskId) || signal.aborted) return id;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async #serveTask(r: LogRequest, taskId: string, query: LogQuery, serving: Serving): Promise<void> {
    const { subscriptionId } = r;
    const { signal } = serving.abort;
    const container = query.follow ? await this.#untilStarted(taskId, signal) : this.#o.containerOf(taskId);
    if (container === undefined) return;
    const attributes = this.#o.engine.find(container)?.logAttributes ?? {};
    const place = new PlaceInLog(r.from.find((p) => p.taskId === taskId)?.place ?? '');
    const places = () => [LogPlace.create({ taskId, place: place.text })];
    let lines: LogLine[] = [];
    let bytes = 0;
    let timer: NodeJS.Timeout | undefined;
    const flush = () => {
      clearTimeout(timer);
      timer = undefined;
      if (lines.length > 0 && !signal.aborted)
        this.#o.send(LogChunk.create({ subscriptionId, lines, places: places() }));
      lines = [];
      bytes = 0;
    };
    try {
      const onStart = (at: LogPosition) => {
        place.start(at);
        this.#o.send(LogChunk.create({ subscriptionId, places: places() }));
      };
      for await (const e of this.#o.engine.logs(container, { ...optionsOf(query), ...place.from, onStart }, signal)) {
        if (!place.isNew(e)) continue;
        const stderr = e.stream === 'stderr';
        lines.push(LogLine.create({ taskId, stderr, timeNs: e.timeNs.toString(), data: e.line, attributes }));
        bytes += e.line.length;
        if (lines.length >= CHUNK_LINES || bytes >= CHUNK_BYTES) {
          flush();
          await serving.pause?.over;
          await this.#o.drained();
        } else timer ??= setTimeout(flush, FLUSH_MS);
      }
    } finally {
      flush();
    }
  }
}

function pause(s: Serving): void {
  if (s.pause || s.abort.signal.aborted) return;
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  s.pause = { over, end };
}

function goOn(s: Serving): void {
  s.pause?.end();
  delete s.pause;
}

function optionsOf(q: LogQuery): LogOptions {
  return {
    stdout: q.stdout,
    stderr: q.stderr,
    follow: q.follow,
    tail: q.tail,
    ...(q.sinceNs === '' ? {} : { sinceNs: BigInt(q.sinceNs) }),
    ...(q.untilNs === '' ? {} : { untilNs: BigInt(q.untilNs) }),
  };
}
