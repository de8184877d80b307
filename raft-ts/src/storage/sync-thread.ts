// A thread of the log's own for its writes and syncs: in libuv's pool they would queue behind whatever else the process
// reads and writes, and heartbeats would wait for it. A write with its sync is one trip there and back.
import { Worker } from 'node:worker_threads';
import { diskError } from './disk-error.js';

export interface SyncRequest {
  readonly id: number;
  readonly fd: number;
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly sync: boolean;
}

export interface SyncAnswer {
  readonly id: number;
  readonly failure:
    | { readonly step: 'write' | 'sync'; readonly code: string | undefined; readonly message: string }
    | undefined;
}

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** It runs a few lines: the default heap would be a waste. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 };

export class SyncThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #dead: Error | undefined;

  constructor() {
    this.#worker = new Worker(new URL('./sync-thread-worker.js', import.meta.url), {
      resourceLimits: RESOURCE_LIMITS,
      // Options of the process, say a profiler's, are not for it.
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: SyncAnswer) => this.#answered(answer));
    this.#worker.on('error', (error) => this.#died(error));
    this.#worker.on('exit', (code) => this.#died(new Error(`the log's thread ended with code ${code}`)));
  }

  /**
   * Writes `bytes` at `position` and, if `sync`, waits for the disk. The bytes are handed over: do not use them again.
   * Throws a RaftError `no-space` if nothing of it counts and it may be tried again, `io` otherwise.
   */
  write(fd: number, position: number, bytes: Uint8Array, sync: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== undefined) {
        reject(this.#dead);
        return;
      }
      this.#lastId += 1;
      const request: SyncRequest = { id: this.#lastId, fd, position, bytes, sync };
      this.#waiting.set(request.id, { resolve, reject });
      // A process must not end while it waits for its disk.
      if (this.#waiting.size === 1) this.#worker.ref();
      const { buffer } = bytes;
      const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength && bytes.length > 0;
      this.#worker.postMessage(request, isWhole ? [buffer] : []);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered({ id, failure }: SyncAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (failure === undefined) waiting?.resolve();
    else waiting?.reject(diskError(failure.step, failure.message, failure.code));
  }

  #died(error: Error): void {
    this.#dead ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
