/**
 * Somebody at the streams of a container's own process. The output is read from the log, which the monitor writes whatever becomes of
 * readers; the input goes through the monitor's attach socket. A container that does not run yet is waited for.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { LogPosition } from '../logs/log-api.js';
import { endOfLog, readRecords } from '../logs/log-reader.js';
import type { AttachOptions, OutputChunk, Session } from './session-api.js';

/** What the attachment needs to know of its container. */
export interface AttachTarget {
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly logPath: string;
  readonly attachSocket: string;
  readonly isRunning: () => boolean;
  /** Calls back once; both return the unsubscribe function. */
  readonly onStart: (fn: () => void) => () => void;
  readonly onEnd: (fn: () => void) => () => void;
  readonly onDetach: () => void;
}

export class ContainerAttachment implements Session {
  readonly tty: boolean;
  readonly #target: AttachTarget;
  readonly #options: AttachOptions;
  readonly #helper: HelperApi;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  /** Where the log ended when somebody came: what is answered to the first key may be there before it is read. */
  readonly #from: LogPosition | undefined;
  readonly #unsubscribe: readonly (() => void)[];
  #ended = false;
  #onEnd: () => void = () => undefined;
  #input: Promise<number> | undefined;

  constructor(target: AttachTarget, options: AttachOptions, helper: HelperApi, clock: Clock) {
    this.tty = target.tty;
    this.#target = target;
    this.#options = options;
    this.#helper = helper;
    this.#clock = clock;
    // Followers are told by the kernel only when the directory is there.
    mkdirSync(dirname(target.logPath), { recursive: true, mode: 0o700 });
    this.#from = endOfLog(target.logPath);
    const stops: (() => void)[] = [];
    this.#running = new Promise((resolve) => {
      if (target.isRunning()) resolve();
      else stops.push(target.onStart(resolve));
      this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    stops.push(
      target.onEnd(() => {
        this.#ended = true;
        this.#onEnd();
      }),
    );
    this.#unsubscribe = stops;
  }

  async pump(sink: (chunk: OutputChunk) => Promise<void>): Promise<void> {
    const { stdout, stderr, logs, stream } = this.#options;
    const source = {
      logPath: this.#target.logPath,
      isLive: () => !this.#ended,
      onEnd: (fn: () => void) => {
        this.#onEnd = fn;
        return () => undefined;
      },
      clock: this.#clock,
    };
    const from = logs || !this.#from ? {} : { from: this.#from };
    const options = { stdout, stderr: stderr && !this.tty, follow: stream, tail: -1, ...from };
    const records = readRecords(source, options, this.#closing.signal);
    for await (const r of records) {
      // What was read already is of no interest to somebody who has left.
      if (this.#closing.signal.aborted) return;
      await sink({ stream: r.stream, data: r.line });
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    const input = await this.#openInput();
    if (input !== undefined) await this.#helper.writeInput(input, bytes);
  }

  /** Closes the container's input where it was made for one visitor. A terminal stays as it is. */
  async end(): Promise<void> {
    if (!this.tty) await this.#closeInput(await this.#openInput());
  }

  async detach(): Promise<void> {
    this.#target.onDetach();
    await this.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const stop of this.#unsubscribe) stop();
    await this.#closeInput(await this.#input?.catch(() => undefined));
  }

  async #openInput(): Promise<number | undefined> {
    if (!this.#options.stdin || !this.#target.openStdin) return undefined;
    await this.#running;
    if (this.#closing.signal.aborted || this.#ended) return undefined;
    this.#input ??= this.#helper.openInput(this.#target.attachSocket);
    return this.#input;
  }

  async #closeInput(input: number | undefined): Promise<void> {
    if (input !== undefined) await this.#helper.closeInput(input);
  }
}
