// What happens while the disk is full: the batch under way waits and is tried again, proposals are refused meanwhile,
// and the disk is asked again every so many ticks. Nothing is lost: what was not written was not acknowledged either.
import { isRaftError, RaftError } from '../errors.js';
import type { DiskLog } from '../storage/disk-log.js';

/** Ticks between two tries: space does not come back faster than somebody makes it. */
const RETRY_TICKS = 5;

export class DiskRoom {
  readonly #log: DiskLog;
  /** Called when a batch starts to wait. */
  readonly #onShort: () => void;
  #ticks = 0;
  #waiting: (() => void) | undefined;
  #hasEnded = false;

  constructor(log: DiskLog, onShort: () => void) {
    this.#log = log;
    this.#onShort = onShort;
  }

  /** No proposals now: a batch waits for room, or what is left is kept for terms, votes and entries of other leaders. */
  get isShort(): boolean {
    return this.#waiting !== undefined || this.#log.isRunningOut;
  }

  refusal(): RaftError {
    return new RaftError('no-space', 'the disk of the leader is full; proposals are taken again when there is room');
  }

  /** Repeats a write until there is room for it. Throws `stopped` if the member ends before. */
  async untilWritten(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        return;
      } catch (error) {
        if (!isRaftError(error, 'no-space')) throw error;
      }
      if (this.#hasEnded) throw new RaftError('stopped', 'the member was stopped while its disk was full');
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        this.#onShort();
      });
      this.#waiting = undefined;
      if (this.#hasEnded) throw new RaftError('stopped', 'the member was stopped while its disk was full');
    }
  }

  tick(): void {
    if (!this.isShort) return;
    this.#ticks += 1;
    if (this.#ticks % RETRY_TICKS !== 0) return;
    this.#log.askForRoom();
    this.#waiting?.();
  }

  end(): void {
    this.#hasEnded = true;
    this.#waiting?.();
  }
}
