/**
 * A stream of bytes within another connection: what is written goes out as frames, what comes in as frames can be read. At most a
 * window of bytes is on its way unread, so that a slow reader slows the writer down instead of filling the memory between.
 */
import { Duplex } from 'node:stream';

/** Whatever is set. */
export interface StreamFrame {
  readonly data: Uint8Array;
  /** Nothing more is going to be written on that side. */
  readonly end: boolean;
  /** The stream is over, both ways. */
  readonly close: boolean;
  /** Why it was closed; '' = in order. */
  readonly error: string;
  /** So many bytes have been read. */
  readonly ackBytes: number;
}

/** Bytes on their way that the other side has not read. */
const WINDOW_BYTES = 1024 * 1024;
const FRAME_BYTES = 64 * 1024;

const NOTHING: StreamFrame = { data: new Uint8Array(0), end: false, close: false, error: '', ackBytes: 0 };

export class FramedDuplex extends Duplex {
  readonly #sendFrame: (f: StreamFrame) => void;
  #unacknowledged = 0;
  #waiting: (() => void) | undefined;
  #unread = 0;
  #closedByPeer = false;
  #ended = false;

  constructor(send: (f: StreamFrame) => void) {
    super({ allowHalfOpen: true });
    this.#sendFrame = send;
    // It may break before it is joined to anything: whoever joins it sees that it is closed.
    this.on('error', () => undefined);
  }

  /** A frame has come. */
  receive(f: StreamFrame): void {
    if (f.ackBytes > 0) this.#acknowledged(f.ackBytes);
    if (f.data.length > 0) {
      if (this.push(Buffer.from(f.data))) this.#acknowledge(f.data.length);
      else this.#unread += f.data.length;
    }
    if (f.end) this.#endReading();
    if (!f.close) return;
    this.#closedByPeer = true;
    if (f.error !== '') this.destroy(new Error(f.error));
    else if (this.readableEnded) this.destroy();
    else {
      // What has come is still read; nobody is there any more for what would be written.
      this.once('end', () => this.destroy());
      this.#endReading();
    }
  }

  #endReading(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.push(null);
  }

  #acknowledged(bytes: number): void {
    this.#unacknowledged = Math.max(0, this.#unacknowledged - bytes);
    if (this.#unacknowledged >= WINDOW_BYTES) return;
    const go = this.#waiting;
    this.#waiting = undefined;
    go?.();
  }

  #acknowledge(ackBytes: number): void {
    if (!this.destroyed) this.#sendFrame({ ...NOTHING, ackBytes });
  }

  override _read(): void {
    if (this.#unread === 0) return;
    const bytes = this.#unread;
    this.#unread = 0;
    this.#acknowledge(bytes);
  }

  override _write(chunk: Buffer, _encoding: string, done: (e?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += FRAME_BYTES)
      this.#sendFrame({ ...NOTHING, data: chunk.subarray(at, at + FRAME_BYTES) });
    this.#unacknowledged += chunk.length;
    if (this.#unacknowledged < WINDOW_BYTES) done();
    else this.#waiting = done;
  }

  override _final(done: (e?: Error | null) => void): void {
    this.#sendFrame({ ...NOTHING, end: true });
    done();
  }

  override _destroy(error: Error | null, done: (e?: Error | null) => void): void {
    this.#waiting = undefined;
    if (!this.#closedByPeer) this.#sendFrame({ ...NOTHING, close: true, error: error?.message ?? '' });
    done(error);
  }
}

/** Joins two streams both ways; each half ends by itself, and when one breaks so does the other. Nothing that was read is lost. */
export function joinDuplexes(a: Duplex, b: Duplex): void {
  a.pipe(b);
  b.pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.once('error', () => other.destroy());
    one.once('close', () => {
      // What was read to its end is on its way to the other one: that may take a while.
      if (one.readableEnded && !other.writableFinished) other.once('finish', () => other.destroy());
      else other.destroy();
    });
  }
}
