/**
 * How far a log was read, as text that only this node understands: a position, and how many lines after it were read as well, as a
 * line of one stream may end within another one.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { LogEntry, LogPosition } from './log-api.js';

export class PlaceInLog {
  #at: LogPosition | undefined;
  #linesBehind = 0;
  /** Lines that come first, and were read before. */
  #toSkip = 0;

  /** '' for one that was not read yet. Throws SwarmtsError for what is no place. */
  constructor(text: string) {
    if (text === '') return;
    const [, file, offset, lines, stream, records] =
      /^([^:]*):(\d+):(\d+)(?::(stdout|stderr):(\d+))?$/.exec(text) ?? [];
    if (file === undefined) throw new SwarmtsError('invalid-argument', `"${text}" is no place in a log`);
    const leftOut = { stream: stream === 'stdout' ? stream : 'stderr', records: Number(records) } as const;
    this.#at = { file, offset: Number(offset), ...(stream === undefined ? {} : { leftOut }) };
    this.#toSkip = Number(lines);
  }

  /** As an option of the reader. */
  get from(): { readonly from?: LogPosition } {
    return this.#at ? { from: this.#at } : {};
  }

  get text(): string {
    if (!this.#at) return '';
    const { file, offset, leftOut } = this.#at;
    const without = leftOut ? `:${leftOut.stream}:${leftOut.records}` : '';
    return `${file}:${offset}:${this.#linesBehind}${without}`;
  }

  /** Reading begins there. Where the file of the place is not kept any more, every line is new. */
  start(at: LogPosition): void {
    if (at.file !== this.#at?.file) this.#toSkip = 0;
    this.#linesBehind = this.#toSkip;
    this.#at = at;
  }

  /** Goes on to behind the entry. */
  isNew(e: LogEntry): boolean {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return false;
    }
    this.#linesBehind = e.end ? 0 : this.#linesBehind + 1;
    this.#at = e.end ?? this.#at;
    return true;
  }
}
