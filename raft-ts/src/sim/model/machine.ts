// The replicated state in a simulation: registers, each with the number of the operation that wrote it last. Clients
// number their operations, so that one that arrives twice, or after its client has gone on, changes nothing.
import type { Entry } from '../../types.js';

export interface WriteOperation {
  readonly client: number;
  readonly sequence: number;
  readonly key: number;
  /** Never written by any other operation. */
  readonly value: number;
}

const OPERATION_BYTES = 12;

export function encodeOperation(operation: WriteOperation): Uint8Array {
  const bytes = new Uint8Array(OPERATION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, operation.client);
  view.setUint16(2, operation.key);
  view.setUint32(4, operation.sequence);
  view.setUint32(8, operation.value);
  return bytes;
}

export function decodeOperation(data: Uint8Array): WriteOperation {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { client: view.getUint16(0), key: view.getUint16(2), sequence: view.getUint32(4), value: view.getUint32(8) };
}

export class Machine {
  readonly #values: number[];
  /** By client: the last operation that took effect. */
  readonly #sequences: number[];
  appliedIndex: number;

  constructor(from?: Machine) {
    this.#values = from === undefined ? [] : from.#values.slice();
    this.#sequences = from === undefined ? [] : from.#sequences.slice();
    this.appliedIndex = from?.appliedIndex ?? 0;
  }

  /** 0 before any write. */
  read(key: number): number {
    return this.#values[key] ?? 0;
  }

  /** The operation that the entry carries, if any. */
  apply(entry: Entry): WriteOperation | undefined {
    this.appliedIndex = entry.index;
    if (entry.type !== 'normal' || entry.data.length === 0) return undefined;
    const operation = decodeOperation(entry.data);
    const { client, sequence, key, value } = operation;
    if ((this.#sequences[client] ?? 0) >= sequence) return operation;
    this.#sequences[client] = sequence;
    this.#values[key] = value;
    return operation;
  }

  isSameAs(other: Machine): boolean {
    return JSON.stringify([this.#values, this.#sequences]) === JSON.stringify([other.#values, other.#sequences]);
  }
}
