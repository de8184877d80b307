/**
 * Datagrams of a socket, many by one system call (recvmmsg, sendmmsg), and answers to those who sent them. Node takes one call, and
 * several objects, for each. The memory is made once and used for any number of sockets, one after the other. IPv4.
 */
import { SystemCallError } from './errors.js';
import { addressOf, receiveMany, sendMany } from './ffi.js';

/** struct mmsghdr: a struct msghdr (name, its length, an array of struct iovec, its length, ...) and the length of the message. */
const HEADER_BYTES = 64;
const NAME_AT = 0;
const NAME_LENGTH_AT = 8;
const VECTOR_AT = 16;
const VECTORS_AT = 24;
const LENGTH_AT = 56;
/** struct iovec: an address and a length. */
const VECTOR_BYTES = 16;
/** struct sockaddr_in. */
const NAME_BYTES = 16;

interface Slots {
  readonly headers: Buffer;
  readonly vectors: Buffer;
  readonly names: Buffer;
  readonly data: Buffer;
}

export class DatagramBatch {
  readonly #slotBytes: number;
  readonly #count: number;
  readonly #received: Slots;
  readonly #answers: Slots;
  #answered = 0;

  /** Longer datagrams than `slotBytes` are cut, and longer answers are not taken. */
  constructor(count: number, slotBytes: number) {
    this.#count = count;
    this.#slotBytes = slotBytes;
    this.#received = slots(count, slotBytes);
    this.#answers = slots(count, slotBytes);
  }

  /** Takes what is waiting, `count` at most; answers that were not sent are dropped. How many there are. */
  receive(fd: number): number {
    this.#answered = 0;
    const { headers } = this.#received;
    // The kernel has written the lengths that it found there.
    for (let i = 0; i < this.#count; i++) headers.writeUInt32LE(NAME_BYTES, i * HEADER_BYTES + NAME_LENGTH_AT);
    return receiveMany(fd, headers, this.#count);
  }

  /** A message that was received: valid until the next `receive`. */
  message(i: number): Buffer {
    const { headers, data } = this.#received;
    const length = Math.min(headers.readUInt32LE(i * HEADER_BYTES + LENGTH_AT), this.#slotBytes);
    return data.subarray(i * this.#slotBytes, i * this.#slotBytes + length);
  }

  /** Who sent it. */
  sender(i: number): { readonly address: string; readonly port: number } {
    const name = this.#received.names.subarray(i * NAME_BYTES, (i + 1) * NAME_BYTES);
    return { address: name.subarray(4, 8).join('.'), port: name.readUInt16BE(2) };
  }

  /** An answer to message `i`, for `send`. */
  answer(i: number, bytes: Buffer): void {
    if (bytes.length > this.#slotBytes) throw new RangeError(`an answer of ${bytes.length} bytes`);
    const at = this.#answered++;
    const { vectors, names, data } = this.#answers;
    bytes.copy(data, at * this.#slotBytes);
    this.#received.names.copy(names, at * NAME_BYTES, i * NAME_BYTES, (i + 1) * NAME_BYTES);
    vectors.writeUInt32LE(bytes.length, at * VECTOR_BYTES + 8);
  }

  /** Sends the answers. Those that the socket has no room for, or that a rule drops, are lost, as datagrams may be. */
  send(fd: number): void {
    for (let at = 0; at < this.#answered; ) {
      const sent = this.#sendFrom(fd, at);
      if (sent === 0) break;
      at += sent;
    }
    this.#answered = 0;
  }

  /** How many are done with. */
  #sendFrom(fd: number, at: number): number {
    try {
      return sendMany(fd, this.#answers.headers.subarray(at * HEADER_BYTES), this.#answered - at);
    } catch (e) {
      // Said of the first one alone.
      if (e instanceof SystemCallError && e.code !== 'EBADF') return 1;
      throw e;
    }
  }
}

/** Headers, each with its own name and vector, and each vector with its own part of the data. */
function slots(count: number, slotBytes: number): Slots {
  const headers = Buffer.alloc(count * HEADER_BYTES);
  const vectors = Buffer.alloc(count * VECTOR_BYTES);
  const names = Buffer.alloc(count * NAME_BYTES);
  const data = Buffer.alloc(count * slotBytes);
  const [vectorsAt, namesAt, dataAt] = [addressOf(vectors), addressOf(names), addressOf(data)];
  for (let i = 0; i < count; i++) {
    const header = i * HEADER_BYTES;
    headers.writeBigUInt64LE(namesAt + BigInt(i * NAME_BYTES), header + NAME_AT);
    headers.writeUInt32LE(NAME_BYTES, header + NAME_LENGTH_AT);
    headers.writeBigUInt64LE(vectorsAt + BigInt(i * VECTOR_BYTES), header + VECTOR_AT);
    headers.writeBigUInt64LE(1n, header + VECTORS_AT);
    vectors.writeBigUInt64LE(dataAt + BigInt(i * slotBytes), i * VECTOR_BYTES);
    vectors.writeBigUInt64LE(BigInt(slotBytes), i * VECTOR_BYTES + 8);
  }
  return { headers, vectors, names, data };
}
