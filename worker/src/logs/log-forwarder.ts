/**
 * Passes the lines of containers on to syslog or journald. The monitor writes every line to the container's own log first, and this reads
 * it from there: lines that come while the daemon is down, or while nobody takes them, are passed on later, as long as the log
 * keeps them. How far it has come is on disk, beside the log.
 */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { type Clock, type Logger, messageOf, SwarmtsError, sleep, writeFileAtomic } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { untilAborted } from '../images/shared-jobs.js';
import { journalMessage } from './journal-format.js';
import type { LogEntry } from './log-api.js';
import { type LogSource, readLogs } from './log-reader.js';
import { type LogSink, openSink, parseSinkAddress, type SinkAddress } from './log-sink.js';
import { PlaceInLog } from './place-in-log.js';
import { type LogOrigin, syslogMessage } from './syslog-format.js';

const RETRY_MS = 2_000;
const SAVE_EVERY_MS = 1_000;
/** A sink that takes nothing holds up the removal of a container for so long; what is left then is lost with the log. */
const FINISH_MS = 5_000;

export interface ForwardedLog {
  readonly driver: 'syslog' | 'journald';
  readonly journalSocket: string;
  readonly source: LogSource;
  readonly origin: Omit<LogOrigin, 'hostname'>;
}

export class LogForwarder {
  readonly #log: ForwardedLog;
  readonly #helper: HelperApi;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #sent: Progress;
  #savedAtMs = 0;

  constructor(log: ForwardedLog, helper: HelperApi, clock: Clock, logger: Logger) {
    this.#log = log;
    this.#helper = helper;
    this.#clock = clock;
    this.#logger = logger;
    this.#sent = readProgress(this.#placeFile);
    this.#loop = this.#run();
  }

  /** Resolves when the last line of a container that has ended is sent. */
  get done(): Promise<void> {
    return this.#loop;
  }

  /** For a container that is removed: waits a while for its last line to be sent, and closes. */
  async finish(): Promise<void> {
    const timer = this.#clock.after(FINISH_MS, () => this.#closing.abort());
    await this.#loop;
    timer.cancel();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#forward(signal);
        return;
      } catch (e) {
        if (signal.aborted) return;
        const fields = { container: this.#log.origin.id, error: messageOf(e) };
        this.#logger.warn('the log of a container cannot be passed on, trying again', fields);
        await sleep(this.#clock, RETRY_MS, signal).catch(() => undefined);
      } finally {
        await this.#save();
      }
    }
  }

  async #forward(signal: AbortSignal): Promise<void> {
    const { driver, journalSocket, origin: of } = this.#log;
    const sink = await openLogSink({ driver, options: of.options, journalSocket }, this.#helper);
    const origin = { ...this.#log.origin, hostname: hostname() };
    try {
      const { place: text, ...since } = this.#sent;
      const place = new PlaceInLog(text);
      const onStart = place.start.bind(place);
      const options = { stdout: true, stderr: true, follow: true, tail: -1, ...since, ...place.from, onStart };
      for await (const e of readLogs(this.#log.source, options, signal)) {
        // What is left of a line whose end is not read yet comes again with it.
        if (signal.aborted) return;
        if (!place.isNew(e)) continue;
        // A sink may take nothing for ever, and would be waited for under the lock of its container.
        await untilAborted(sink.sink.send(this.#messageOf(e, origin, sink.local)), signal);
        this.#sent = { place: place.text };
        if (this.#clock.now() - this.#savedAtMs > SAVE_EVERY_MS) await this.#save();
      }
    } finally {
      await sink.sink.close();
    }
  }

  #messageOf(e: LogEntry, origin: LogOrigin, local: boolean): Buffer {
    return this.#log.driver === 'journald' ? journalMessage(e, origin) : syslogMessage(e, origin, local);
  }

  get #placeFile(): string {
    return join(dirname(this.#log.source.logPath), 'forwarded');
  }

  async #save(): Promise<void> {
    this.#savedAtMs = this.#clock.now();
    if (this.#sent.place === '') return;
    // A container that is being removed has no place for it any more.
    await writeFileAtomic(this.#placeFile, this.#sent.place).catch(() => undefined);
  }
}

/** Whether somebody takes the lines: asked before a container starts. */
export async function openLogSink(
  log: Pick<ForwardedLog, 'driver' | 'journalSocket'> & { readonly options: Readonly<Record<string, string>> },
  helper: HelperApi,
): Promise<{ readonly sink: LogSink; readonly local: boolean }> {
  const { driver, options, journalSocket } = log;
  const address =
    driver === 'journald' ? journalAddress(journalSocket) : parseSinkAddress(options['syslog-address'] ?? '');
  return { sink: await openSink(address, options, helper), local: address.path !== '' };
}

function journalAddress(path: string): SinkAddress {
  if (existsSync(path)) return { kind: 'datagram', host: '', port: 0, path };
  throw new SwarmtsError('failed-precondition', 'journald is not enabled on this host');
}

interface Progress {
  /** The text of the place behind the last line that was sent, '' for none. */
  readonly place: string;
  /** Of an earlier release, which kept the time of that line alone. */
  readonly sinceNs?: bigint;
}

function readProgress(file: string): Progress {
  try {
    const text = readFileSync(file, 'utf8').trim();
    const [, time] = /^(\d+)(?: \d+)?$/.exec(text) ?? [];
    if (time !== undefined) return { place: '', sinceNs: BigInt(time) };
    // Throws for what is no place.
    new PlaceInLog(text);
    return { place: text };
  } catch {
    return { place: '' };
  }
}
