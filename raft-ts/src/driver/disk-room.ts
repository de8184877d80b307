// What happens while the disk is full: the batch under way waits and is tried again, proposals are refused meanwhile,
// and the disk is asked again every so many ticks. Nothing is lost: what was not written was not acknowledged either.
import { isRaftError, RaftError } from '../errors.js';
import type { DiskLog } from '../storage/disk-log.js';

/** Ticks between two tries: space does not come back faster than somebody makes it. */
const RETRY_TICKS = 5;
/** A snapshot fills what room there is with every try: the ticks between two are doubled up to so many. */
const MAX_RETRY_TICKS = 320;

export interface DiskRoomParts {
  /** A batch starts to wait. */
  readonly onWaiting: () => void;
  /** It has waited for so many ticks: nobody shall wait for it any longer. */
  readonly patienceTicks: number;
  readonly onPatienceOver: () => void;
  /** Proposals are refused from now on, or taken again. */
  readonly onChange: (isShort: boolean) => void;
}

export class DiskRoom {
  readonly #log: DiskLog;
  readonly #parts: DiskRoomParts;
  #ticks = 0;
  #waiting: { ticksLeft: number; readonly wake: () => void } | undefined;
  #wasShort = false;
  /** For how long the batch under way has found no room; undefined where it has not been refused. */
  #waitedTicks: number | undefined;
  #hasEnded = false;

  constructor(log: DiskLog, parts: DiskRoomParts) {
    this.#log = log;
    this.#parts = parts;
  }

  /** A batch waits for room, or is just tried again, and with it everything behind it. */
  get isWaiting(): boolean {
    return this.#waitedTicks !== undefined;
  }

  /** No proposals now: a batch waits for room, or what is left is kept for terms, votes and entries of other leaders. */
  get isShort(): boolean {
    return this.isWaiting || this.#log.isRunningOut;
  }

  refusal(): RaftError {
    return new RaftError('no-space', 'the disk of the leader is full; proposals are taken again when there is room');
  }

  readRefusal(): RaftError {
    return new RaftError('no-space', 'the disk of this member is full; reads are answered again when there is room');
  }

  /** For whoever waits for what is in the log already. */
  unknownOutcome(): RaftError {
    return new RaftError(
      'no-space',
      'the disk of the leader is full: the change was not made so far, and may be made once there is room',
      { outcomeUnknown: true },
    );
  }

  /** Repeats a write until there is room for it, one with a snapshot ever more seldom. Throws `stopped` if the member ends before. */
  async untilWritten(write: () => Promise<void>, hasSnapshot = false): Promise<void> {
    for (
      let ticksLeft = RETRY_TICKS;
      ;
      ticksLeft = hasSnapshot ? Math.min(2 * ticksLeft, MAX_RETRY_TICKS) : RETRY_TICKS
    ) {
      try {
        await write();
        this.#waitedTicks = undefined;
        return;
      } catch (error) {
        if (!isRaftError(error, 'no-space')) throw error;
      }
      if (this.#hasEnded) throw new RaftError('stopped', 'the member was stopped while its disk was full');
      this.#waitedTicks ??= 0;
      await new Promise<void>((wake) => {
        this.#waiting = { ticksLeft, wake };
        this.#parts.onWaiting();
      });
      this.#waiting = undefined;
      if (this.#hasEnded) throw new RaftError('stopped', 'the member was stopped while its disk was full');
    }
  }

  tick(): void {
    const { isShort } = this;
    if (isShort !== this.#wasShort) this.#parts.onChange(isShort);
    this.#wasShort = isShort;
    if (this.#waitedTicks !== undefined) {
      this.#waitedTicks += 1;
      if (this.#waitedTicks === this.#parts.patienceTicks) this.#parts.onPatienceOver();
    }
    if (!isShort) return;
    this.#ticks += 1;
    if (this.#ticks % RETRY_TICKS === 0) this.#log.askForRoom();
    if (this.#waiting === undefined) return;
    this.#waiting.ticksLeft -= 1;
    if (this.#waiting.ticksLeft <= 0) this.#waiting.wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#waiting?.wake();
  }
}
