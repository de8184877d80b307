/**
 * Notices containers that have exited: conmon leaves a file named after the container in the exit directory. The kernel's
 * notification makes it fast, a rescan makes it certain.
 */
import { type FSWatcher, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Clock, Logger, TimerHandle } from '@swarmts/lib';

const RESCAN_MS = 2_000;
export const CONTAINER_ID = /^[0-9a-f]{64}$/;

export class ExitWatch {
  readonly #directory: string;
  readonly #onExit: (id: string) => void;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watcher: FSWatcher | undefined;
  #timer: TimerHandle | undefined;
  #closed = false;

  /** `onExit` is called at least once for every file that appears; it must bear repetition and must not throw. */
  constructor(directory: string, onExit: (id: string) => void, clock: Clock, logger: Logger) {
    this.#directory = directory;
    this.#onExit = onExit;
    this.#clock = clock;
    this.#logger = logger;
    this.#watcher = this.#startWatching();
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#watcher?.close();
  }

  #startWatching(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#directory, (_event, name) => {
        if (name !== null && CONTAINER_ID.test(name) && !this.#closed) this.#onExit(name);
      });
      watcher.on('error', (e) => this.#logger.warn('exit notifications failed, rescanning only', { error: e }));
      return watcher;
    } catch (e) {
      this.#logger.warn('no exit notifications, rescanning only', { error: e });
      return undefined;
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(RESCAN_MS, () => {
      readdir(this.#directory)
        .then((names) => {
          for (const name of names) if (CONTAINER_ID.test(name) && !this.#closed) this.#onExit(name);
        })
        .catch((e: unknown) => this.#logger.warn('cannot read the exit directory', { error: e }))
        .finally(() => this.#schedule());
    });
  }
}
