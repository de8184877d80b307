/**
 * A synchronous netlink socket. The kernel handles rtnetlink requests inside of send, so the answers are there when
 * it returns; that makes synchronous use as fast as it gets and safe inside of a namespace window. A socket belongs to the
 * namespace in which it was opened, for good.
 */

import { NetlinkError, SystemCallError } from '../errors.js';
import {
  AF_NETLINK,
  bindSocket,
  closeFd,
  receive,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SOCK_RAW_CLOEXEC,
  SOL_NETLINK,
  SOL_SOCKET,
  sendTo,
  setSocketOption,
  socket,
} from '../ffi.js';
import {
  encodeRequest,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseAcknowledgement,
  parseMessages,
  type Request,
  u32,
} from './message.js';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** The kernel fills dumps in pieces of up to 32 KiB. */
const RECEIVE_BYTES = 64 * 1024;
/** Acknowledgements wait in the socket's receive buffer, so a batch is sent in pieces whose answers surely fit in there. */
const BATCH_MESSAGES = 128;
const BATCH_BYTES = 64 * 1024;
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
/** An answer that does not come within this time is a broken kernel or a bug: fail instead of hanging. */
const RECEIVE_TIMEOUT_S = 10;
/** A dump that the kernel marks as interrupted by a change is repeated, at most this often. */
const DUMP_ATTEMPTS = 8;
const SEQUENCE_RENEWAL = 0x7fff_ffff;

/** One entry per request of a batch: undefined when it succeeded. */
export type BatchResult = readonly (NetlinkError | undefined)[];

export class NetlinkSocket {
  readonly #fd: number;
  readonly #kernel: Buffer;
  readonly #buffer = Buffer.allocUnsafe(RECEIVE_BYTES);
  #sequence = 1;
  #closed = false;

  /** Opens a socket in the calling thread's network namespace. */
  constructor(protocol: number = NETLINK_ROUTE) {
    this.#fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    this.#kernel = Buffer.alloc(12);
    this.#kernel.writeUInt16LE(AF_NETLINK, 0);
    try {
      bindSocket(this.#fd, this.#kernel);
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, u32(1));
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1));
      if (protocol === NETLINK_ROUTE) setSocketOption(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32(1));
      setSocketOption(this.#fd, SOL_SOCKET, SO_RCVBUF, u32(RECEIVE_BUFFER_BYTES));
      const timeout = Buffer.alloc(16);
      timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_S), 0);
      setSocketOption(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
    } catch (e) {
      this.close();
      throw e;
    }
  }

  /** Sends one request and waits for its acknowledgement. Throws NetlinkError. */
  request(request: Request): void {
    const [error] = this.batch([request]);
    if (error !== undefined) throw error;
  }

  /** All requests in as few sends as possible; a request that fails does not stop those behind it. */
  batch(requests: readonly Request[]): BatchResult {
    this.#renewSequence();
    const results: (NetlinkError | undefined)[] = [];
    const firstSequence = this.#sequence;
    let piece: Buffer[] = [];
    let first = 0;
    let bytes = 0;
    const flush = (end: number) => {
      if (piece.length === 0) return;
      sendTo(this.#fd, piece.length === 1 ? (piece[0] ?? Buffer.alloc(0)) : Buffer.concat(piece), this.#kernel);
      results.push(...this.#acknowledgements(requests.slice(first, end), firstSequence + first));
      piece = [];
      first = end;
      bytes = 0;
    };
    for (const [i, request] of requests.entries()) {
      const encoded = encodeRequest(request, this.#nextSequence(), NLM_F_ACK);
      if (piece.length === BATCH_MESSAGES || bytes + encoded.length > BATCH_BYTES) flush(i);
      piece.push(encoded);
      bytes += encoded.length;
    }
    flush(requests.length);
    return results;
  }

  /** Sends a request that the kernel answers with one message (a GET), and returns that message. Throws NetlinkError. */
  get(request: Request): Message {
    this.#renewSequence();
    const sequence = this.#nextSequence();
    sendTo(this.#fd, encodeRequest(request, sequence, NLM_F_ACK), this.#kernel);
    let answer: Message | undefined;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NLMSG_ERROR) {
          answer = copyOf(message);
          continue;
        }
        const { errno, detail } = parseAcknowledgement(message);
        if (errno !== 0) throw new NetlinkError(errno, request.operation, detail);
        if (answer === undefined) throw new NetlinkError(ENODATA, request.operation, 'no answer');
        return answer;
      }
    }
  }

  /** All objects that a dump request lists. */
  dump(request: Request): Message[] {
    for (let attempt = 1; attempt < DUMP_ATTEMPTS; attempt++) {
      const { messages, interrupted } = this.#dumpOnce(request);
      if (!interrupted) return messages;
    }
    return this.#dumpOnce(request).messages;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.#fd);
  }

  #dumpOnce(request: Request): { messages: Message[]; interrupted: boolean } {
    this.#renewSequence();
    const sequence = this.#nextSequence();
    sendTo(this.#fd, encodeRequest(request, sequence, NLM_F_DUMP), this.#kernel);
    const messages: Message[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_DONE) return { messages, interrupted };
        if (message.type === NLMSG_ERROR) {
          const { errno, detail } = parseAcknowledgement(message);
          throw new NetlinkError(errno, request.operation, detail);
        }
        messages.push(copyOf(message));
      }
    }
  }

  #acknowledgements(requests: readonly Request[], firstSequence: number): (NetlinkError | undefined)[] {
    const results: (NetlinkError | undefined)[] = new Array(requests.length);
    let missing = requests.length;
    while (missing > 0) {
      for (const message of this.#receive()) {
        const index = message.sequence - firstSequence;
        const request = requests[index];
        if (message.type !== NLMSG_ERROR || request === undefined) continue;
        const { errno, detail } = parseAcknowledgement(message);
        if (errno !== 0) results[index] = new NetlinkError(errno, request.operation, detail);
        missing--;
      }
    }
    return results;
  }

  #receive(): Message[] {
    const length = receive(this.#fd, this.#buffer);
    if (length > this.#buffer.length) throw new SystemCallError('recv', EMSGSIZE, `datagram of ${length} bytes`);
    return parseMessages(this.#buffer.subarray(0, length));
  }

  #nextSequence(): number {
    return this.#sequence++;
  }

  /** Called before an operation: starts over long before the 32 bits of the header are used up. */
  #renewSequence(): void {
    if (this.#sequence > SEQUENCE_RENEWAL) this.#sequence = 1;
  }
}

const ENODATA = 61;
const EMSGSIZE = 90;

/** Messages point into the receive buffer; those that outlive the next receive are copied. */
function copyOf(message: Message): Message {
  return { ...message, payload: Buffer.from(message.payload) };
}
