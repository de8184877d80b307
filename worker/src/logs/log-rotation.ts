/** Looks at the sizes of the running containers' logs once a second, rotates those that outgrew their limit, and compresses what was rotated. */
import type { Clock, Logger, TimerHandle } from '@swarmts/lib';
import { compressRotated, logSizeBytes, rotateLog } from './log-files.js';

export interface RotatingLog {
  readonly id: string;
  readonly logPath: string;
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
  readonly compress: boolean;
  /** conmon's control pipe. */
  readonly controlFifo: string;
}

const CHECK_INTERVAL_MS = 1_000;

export class LogRotation {
  readonly #logs: () => readonly RotatingLog[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: TimerHandle | undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;

  /** `logs` lists the running containers whose logs have a size limit. */
  constructor(logs: () => readonly RotatingLog[], clock: Clock, logger: Logger) {
    this.#logs = logs;
    this.#clock = clock;
    this.#logger = logger;
    this.#schedule();
  }

  /** Waits for a rotation that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round;
  }

  async checkAll(): Promise<void> {
    for (const log of this.#logs()) {
      try {
        // What the round before has rotated: the monitor has taken note of it by now.
        if (log.compress) await compressRotated(log.logPath);
        if ((await logSizeBytes(log.logPath)) >= log.maxSizeBytes) {
          await rotateLog(log.logPath, log.maxFiles, log.controlFifo);
        }
      } catch (e) {
        this.#logger.warn('log rotation failed', { container: log.id, error: e });
      }
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(CHECK_INTERVAL_MS, () => {
      this.#round = this.checkAll().finally(() => this.#schedule());
    });
  }
}
