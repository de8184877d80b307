// Reading and writing bytes: unsigned integers of 7 bits a byte (little end first), length-prefixed strings of bytes.
// The reader trusts nothing: whatever does not fit is a RaftError of the code it was made with, never another throw.
import { RaftError, type RaftErrorCode } from '../errors.js';

const INITIAL_BYTES = 256;

export class ByteWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** A safe integer, 0 or more. */
  uint(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      // Numbers go up to 2^53: bit operators would cut them to 32 bits.
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  uints(values: readonly number[]): void {
    this.uint(values.length);
    for (const value of values) this.uint(value);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #code: RaftErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, code: RaftErrorCode) {
    this.#bytes = bytes;
    this.#code = code;
  }

  fail(what: string): never {
    throw new RaftError(this.#code, `${what} at byte ${this.#at} of ${this.#bytes.length}`);
  }

  u8(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) this.fail('cut short');
    this.#at += 1;
    return value;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) this.fail('number too large');
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) this.fail('number with leading zeros');
        return value;
      }
      scale *= 0x80;
      if (scale > Number.MAX_SAFE_INTEGER) this.fail('number too long');
    }
  }

  /** 1 or more. */
  positive(): number {
    const value = this.uint();
    if (value === 0) this.fail('zero where a number must be');
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) this.fail(`${value} is neither true nor false`);
    return value === 1;
  }

  /** A view of the bytes read from, not a copy. */
  bytes(): Uint8Array {
    const length = this.uint();
    const end = this.#at + length;
    if (end > this.#bytes.length) this.fail(`${length} bytes announced`);
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  /** How many of something follow, each of at least `minBytes`: more than the bytes left can hold is refused. */
  count(minBytes: number): number {
    const count = this.uint();
    if (count * minBytes > this.#bytes.length - this.#at) this.fail(`${count} parts announced`);
    return count;
  }

  /** Member ids, ascending without repetition. */
  ids(): number[] {
    const ids: number[] = [];
    for (let left = this.count(1); left > 0; left -= 1) {
      const id = this.positive();
      if (id <= (ids.at(-1) ?? 0)) this.fail('member ids out of order');
      ids.push(id);
    }
    return ids;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) this.fail('trailing bytes');
  }
}
