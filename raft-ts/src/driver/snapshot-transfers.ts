// Snapshots on their way between members, piece by piece: out of the newest snapshot's file, into a file beside the
// log that the log begins to count on only when it is complete. A transfer whose connection breaks goes on where it was,
// as long as sender and receiver live. Invariant: one snapshot to each member at a time, one coming in at a time.
import { randomBytes } from 'node:crypto';
import { isRaftError, RaftError } from '../errors.js';
import type { SnapshotMessage } from '../message.js';
import type { DiskLog } from '../storage/disk-log.js';
import type { SnapshotWriter } from '../storage/snapshot-files.js';
import { NO_DATA, type SnapshotMetadata } from '../types.js';
import type { SnapshotSink, Transport } from './options.js';

const KEY_BYTES = 8;

interface Partial {
  readonly key: string;
  readonly writer: SnapshotWriter;
  /** The sink that may write: a newer connection takes the place of an older one. */
  owner: object;
  /** What is being written. */
  tail: Promise<void>;
}

export interface SnapshotTransfersParts {
  readonly log: DiskLog;
  readonly transport: Transport;
  readonly onSent: (to: number, ok: boolean) => void;
  /** A snapshot is complete on disk; the message, without data, is for the core. */
  readonly onReceived: (message: SnapshotMessage) => void;
  readonly onError: (error: unknown) => void;
}

export class SnapshotTransfers {
  readonly #parts: SnapshotTransfersParts;
  readonly #sending = new Map<number, Promise<void>>();
  readonly #abort = new AbortController();
  #partial: Partial | undefined;
  #stored: SnapshotMetadata | undefined;
  readonly counts = { sent: 0, received: 0 };

  constructor(parts: SnapshotTransfersParts) {
    this.#parts = parts;
  }

  /** Sends the newest snapshot, which does as well as the one the core had in mind, unless one is under way already. */
  send(message: SnapshotMessage): void {
    const { to } = message;
    if (this.#sending.has(to) || this.#abort.signal.aborted) return;
    const sending = this.#send(message).finally(() => this.#sending.delete(to));
    this.#sending.set(to, sending);
  }

  async #send(message: SnapshotMessage): Promise<void> {
    const { transport, onSent } = this.#parts;
    try {
      if (transport.sendSnapshot === undefined) await this.#sendWhole(message);
      else await this.#sendPieces(message, transport.sendSnapshot.bind(transport));
      this.counts.sent += 1;
    } catch {
      // Not reachable, replaced by a newer one, or damaged: the leader tries again, with what is newest then.
      onSent(message.to, false);
    }
  }

  /** The transport itself says, later, whether it arrived. */
  async #sendWhole(message: SnapshotMessage): Promise<void> {
    const snapshot = await this.#parts.log.readSnapshot();
    if (this.#abort.signal.aborted || snapshot === undefined) return;
    this.#parts.transport.send([{ ...message, snapshot }]);
  }

  async #sendPieces(message: SnapshotMessage, send: NonNullable<Transport['sendSnapshot']>): Promise<void> {
    const snapshot = await this.#parts.log.openSnapshot();
    if (snapshot === undefined) return;
    try {
      const { metadata, sizeBytes, chunks } = snapshot;
      const key = randomBytes(KEY_BYTES).toString('hex');
      const bare: SnapshotMessage = { ...message, snapshot: { metadata, data: NO_DATA } };
      await send(bare, { key, sizeBytes, chunks }, this.#abort.signal);
      this.#parts.onSent(message.to, true);
    } finally {
      await snapshot.release();
    }
  }

  /** Where to put a snapshot that comes in; with the key of one that broke off, its `offsetBytes` says where to go on. */
  async receive(message: SnapshotMessage, key: string, sizeBytes: number): Promise<SnapshotSink> {
    const { metadata } = message.snapshot;
    if (metadata.index <= this.#parts.log.snapshotIndex) return this.#declined(message, sizeBytes);
    const owner = {};
    if (this.#partial?.key !== key) await this.#startAnew(metadata, key, sizeBytes, owner);
    const partial = this.#partial;
    if (partial?.key !== key) throw new RaftError('aborted', 'another snapshot came in');
    partial.owner = owner;
    await partial.tail;
    return {
      offsetBytes: partial.writer.writtenBytes,
      write: async (chunk) => await this.#write(partial, owner, chunk),
      finish: async () => await this.#finish(partial, owner, message),
    };
  }

  async #startAnew(metadata: SnapshotMetadata, key: string, sizeBytes: number, owner: object): Promise<void> {
    await this.#drop();
    const writer = await this.#parts.log.beginSnapshotFile(metadata, sizeBytes);
    await this.#drop();
    this.#partial = { key, writer, owner, tail: Promise.resolve() };
  }

  /** The log is further already: the core answers at once. */
  #declined(message: SnapshotMessage, sizeBytes: number): SnapshotSink {
    return {
      offsetBytes: sizeBytes,
      write: async () => undefined,
      finish: async () => this.#parts.onReceived(message),
    };
  }

  async #write(partial: Partial, owner: object, chunk: Uint8Array): Promise<void> {
    if (this.#partial !== partial || partial.owner !== owner) {
      throw new RaftError('aborted', 'the snapshot goes on over another connection');
    }
    const written = partial.writer.append(chunk);
    partial.tail = written.catch(() => undefined);
    try {
      await written;
    } catch (error) {
      await this.#drop();
      // With a full disk it is tried again some time; any other failure is one of the disk under the log.
      if (!isRaftError(error, 'no-space') && !isRaftError(error, 'malformed')) this.#parts.onError(error);
      throw error;
    }
  }

  async #finish(partial: Partial, owner: object, message: SnapshotMessage): Promise<void> {
    if (this.#partial !== partial || partial.owner !== owner) {
      throw new RaftError('aborted', 'the snapshot goes on over another connection');
    }
    this.#partial = undefined;
    try {
      await partial.writer.finish();
    } catch (error) {
      await partial.writer.discard();
      if (!isRaftError(error, 'malformed')) this.#parts.onError(error);
      throw error;
    }
    this.counts.received += 1;
    this.#stored = partial.writer.metadata;
    this.#parts.onReceived(message);
  }

  /** Whether the file of a snapshot that the core hands out came in pieces and is on disk. */
  isStored({ index, term }: SnapshotMetadata): boolean {
    return this.#stored?.index === index && this.#stored.term === term;
  }

  async #drop(): Promise<void> {
    const partial = this.#partial;
    this.#partial = undefined;
    await partial?.tail;
    await partial?.writer.discard();
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#sending.values());
    await this.#drop();
  }
}
