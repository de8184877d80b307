/** Sizes of terminals as clients write them. */
import { SwarmtsError } from '@swarmts/lib';
import type { TerminalSize } from '../container-backend.js';
import type { JsonObject } from '../json/object.js';

/** [height, width]; null, and zeros, where the client does not know. */
export function consoleSize(o: JsonObject): TerminalSize | undefined {
  const v = o.raw('ConsoleSize');
  if (v === undefined) return undefined;
  const [rows, columns] = Array.isArray(v) ? v : [];
  if (!isLength(rows) || !isLength(columns)) {
    throw new SwarmtsError('invalid-argument', 'invalid ConsoleSize: [height, width] expected');
  }
  return rows > 0 && columns > 0 ? { rows, columns } : undefined;
}

const MAX_LENGTH = 65535;

export function isLength(v: unknown): v is number {
  return typeof v === 'number' && Number.isInteger(v) && v >= 0 && v <= MAX_LENGTH;
}
