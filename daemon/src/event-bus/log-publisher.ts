/**
 * Publishes what the tasks on this node write, at least once each line. Where it stopped is asked of the bus: a daemon that starts
 * again, and a bus that was away, go on there. A bus that takes nothing keeps lines waiting in the files of their containers.
 */
import { type Clock, type Logger, messageOf, sleep, timeNanoFixed } from '@swarmts/lib';
import { type ContainerEngine, type ContainerInfo, type LogPosition, PlaceInLog } from '@swarmts/worker';
import { type Bus, subjectOf } from './bus.js';

export interface LogPublisherOptions {
  readonly engine: Pick<ContainerEngine, 'list' | 'logs' | 'onEvent' | 'find'>;
  readonly clusterId: () => string;
  readonly nodeId: () => string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 1_000;
const CONTAINER = 'Swarmts-Container';
/** How far the log is read with this line: lines need not end in the order of their times. */
const PLACE = 'Swarmts-Place';

export class LogPublisher {
  readonly #o: LogPublisherOptions;
  readonly #stop = new AbortController();
  /** By container. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;

  constructor(o: LogPublisherOptions) {
    this.#o = o;
    this.#unsubscribe = o.engine.onEvent((e) => {
      if (e.type === 'container' && e.action === 'start') this.#follow(o.engine.find(e.id));
    });
    for (const c of o.engine.list()) this.#follow(c);
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }

  #follow(c: ContainerInfo | undefined): void {
    // One that has ended may have lines that nobody has passed on yet: the bus or the daemon was away.
    if (!c || c.state === 'created' || this.#running.has(c.id)) return;
    const of = (label: string) => c.config.labels[`com.docker.swarm.${label}`] ?? '';
    if (of('task.id') === '') return;
    const done = this.#publishAll(c.id, of('service.name'), of('task.id')).finally(() => this.#running.delete(c.id));
    this.#running.set(c.id, done);
  }

  async #publishAll(containerId: string, service: string, taskId: string): Promise<void> {
    const signal = this.#stop.signal;
    while (!signal.aborted) {
      try {
        await this.#publishFrom(containerId, service, taskId, signal);
        return;
      } catch (e) {
        if (signal.aborted || !this.#o.engine.find(containerId)) return;
        this.#o.log.warn('log lines wait for the event bus', { task: taskId, error: messageOf(e) });
        await sleep(this.#o.clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #publishFrom(containerId: string, service: string, taskId: string, signal: AbortSignal): Promise<void> {
    const subject = subjectOf(this.#o.clusterId(), 'logs', service, taskId);
    const place = new PlaceInLog(await this.#lastPlace(subject, containerId));
    const options = { stdout: true, stderr: true, follow: true, tail: -1, ...place.from };
    const onStart = (at: LogPosition) => place.start(at);
    for await (const line of this.#o.engine.logs(containerId, { ...options, onStart }, signal)) {
      // What is left of a line whose end nobody has read yet comes again with it.
      if (signal.aborted) return;
      if (!place.isNew(line)) continue;
      await this.#o.bus.publish({
        subject,
        id: `${containerId}-${place.text}`,
        headers: { [CONTAINER]: containerId, [PLACE]: place.text },
        data: JSON.stringify({
          service,
          task: taskId,
          node: this.#o.nodeId(),
          stream: line.stream,
          time: timeNanoFixed(line.timeNs),
          line: Buffer.from(line.line).toString('utf8').replace(/\n$/, ''),
        }),
      });
    }
  }

  async #lastPlace(subject: string, containerId: string): Promise<string> {
    const found = await this.#o.bus.lastHeaders('logs', subject);
    return found?.[CONTAINER] === containerId ? (found[PLACE] ?? '') : '';
  }
}
