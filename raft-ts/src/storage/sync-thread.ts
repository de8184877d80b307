// A thread of the log's own for its writes and syncs: in libuv's pool they would queue behind whatever else the process
// reads and writes, and heartbeats would wait for it. Very small writes, one at a time, are waited for once the event
// loop has nothing else to do, but never for longer than a fast disk takes: on a busy machine the way back over the event loop costs more
// than the sync itself. A slow disk holds nobody up.
import { Worker } from 'node:worker_threads';
import { diskError } from './disk-error.js';
import { BUFFER_BYTES, IDLE, newSharedMemory, REQUESTED, type SyncFailure, WORD } from './sync-memory.js';

/** It runs a few lines: the default heap would be a waste. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 };
/** A write of this size is for one caller or so, who waits; with larger ones there is other work to be done meanwhile. */
const WAITED_FOR_BYTES = 512;
/** So many of them in a row show that there is no more than one caller: the first of a burst is small as well. */
const WAITED_FOR_RUN = 3;
/** The event loop stands still no longer than this for one write. */
const MAX_WAIT_MS = 1;

export class SyncThread {
  readonly #memory = newSharedMemory();
  readonly #worker: Worker;
  #request = 0;
  /** Small writes since the last larger one. */
  #smallRun = 0;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #tail: Promise<void> = Promise.resolve();
  #dead: Error | undefined;

  constructor() {
    this.#worker = new Worker(new URL('./sync-thread-worker.js', import.meta.url), {
      workerData: this.#memory,
      resourceLimits: RESOURCE_LIMITS,
      // Options of the process, say a profiler's, are not for it.
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on('message', (request: number) => {
      // One of a former request comes late, when that was seen to be done without it.
      if (request === this.#request) this.#waiting?.resolve();
    });
    this.#worker.on('error', (error) => this.#died(error));
    this.#worker.on('exit', (code) => this.#died(new Error(`the log's thread ended with code ${code}`)));
  }

  /**
   * Writes `bytes` at `position` and, if `sync`, waits for the disk. Throws a RaftError `no-space` if nothing of it
   * counts and it may be tried again, `io` otherwise.
   */
  async write(fd: number, position: number, bytes: Uint8Array, sync: boolean): Promise<void> {
    const before = this.#tail;
    const work = before.then(async () => await this.#writeAll(fd, position, bytes, sync));
    this.#tail = work.catch(() => undefined);
    await work;
  }

  async #writeAll(fd: number, position: number, bytes: Uint8Array, sync: boolean): Promise<void> {
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + BUFFER_BYTES);
      const isLast = at + piece.length === bytes.length;
      await this.#serve(fd, position + at, piece, sync && isLast);
      at += piece.length;
    } while (at < bytes.length);
  }

  async #serve(fd: number, position: number, piece: Uint8Array, sync: boolean): Promise<void> {
    if (this.#dead !== undefined) throw this.#dead;
    const { words, bytes } = this.#memory;
    bytes.set(piece);
    this.#request = (this.#request + 1) & 0x7fffffff;
    words[WORD.request] = this.#request;
    words[WORD.fd] = fd;
    words[WORD.positionHigh] = Math.floor(position / 2 ** 31);
    words[WORD.positionLow] = position % 2 ** 31;
    words[WORD.length] = piece.length;
    words[WORD.sync] = sync ? 1 : 0;
    this.#smallRun = piece.length <= WAITED_FOR_BYTES ? this.#smallRun + 1 : 0;
    const isWaitedFor = this.#smallRun >= WAITED_FOR_RUN;
    Atomics.store(words, WORD.wantsMessage, isWaitedFor ? 0 : 1);
    Atomics.store(words, WORD.state, REQUESTED);
    Atomics.notify(words, WORD.state);
    if (isWaitedFor) {
      // What has come in this turn of the event loop comes first.
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.wait(words, WORD.state, REQUESTED, MAX_WAIT_MS);
    }
    await this.#untilDone();
    this.#throwFailure();
  }

  async #untilDone(): Promise<void> {
    const { words } = this.#memory;
    if (Atomics.load(words, WORD.state) === IDLE) return;
    // A process must not end while it waits for its disk.
    this.#worker.ref();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        // First this, then a last look: the thread does it the other way round, so that one of both sees the other.
        Atomics.store(words, WORD.wantsMessage, 1);
        if (Atomics.load(words, WORD.state) === IDLE) resolve();
        else if (this.#dead !== undefined) reject(this.#dead);
      });
    } finally {
      this.#waiting = undefined;
      this.#worker.unref();
    }
  }

  #throwFailure(): void {
    const { words, bytes } = this.#memory;
    const length = Atomics.load(words, WORD.failureBytes);
    if (length === 0) return;
    // A copy: text cannot be read out of shared memory.
    const failure: SyncFailure = JSON.parse(Buffer.from(bytes.slice(0, length)).toString());
    throw diskError(failure.step, failure.message, failure.code);
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#worker.terminate();
  }

  #died(error: Error): void {
    this.#dead ??= error;
    this.#waiting?.reject(error);
  }
}
