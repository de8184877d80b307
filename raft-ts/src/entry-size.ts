// What an entry weighs when sizes are limited: the bytes it takes in etcd's encoding of an entry (protocol buffers), so
// that limits cut where etcd's do. Our own encoding takes at most as many.
import type { Entry } from './types.js';

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

export function entrySizeBytes(entry: Entry): number {
  const { length } = entry.data;
  const type = entry.type === 'normal' ? 0 : 2;
  const data = length > 0 ? 1 + varintBytes(length) + length : 0;
  return type + 1 + varintBytes(entry.term) + 1 + varintBytes(entry.index) + data;
}

export function entriesSizeBytes(entries: readonly Entry[]): number {
  let total = 0;
  for (const entry of entries) total += entrySizeBytes(entry);
  return total;
}

export function payloadSizeBytes(entries: readonly Entry[]): number {
  let total = 0;
  for (const entry of entries) total += entry.data.length;
  return total;
}
