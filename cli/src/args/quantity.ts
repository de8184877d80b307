/** Durations, sizes and CPUs of flags. The rules are the library's; the errors are the ones people know. */
import { formatDurationNs, parseDurationNs, parseNanoCpus, parseSizeBytes } from '@swarmts/lib';

export const parseDuration = parseDurationNs;
export const formatDuration = formatDurationNs;
export const parseCpus = parseNanoCpus;
export const parseBytes = parseSizeBytes;

/** A duration that cannot be negative. */
export function parsePositiveDuration(text: string): number {
  const ns = parseDurationNs(text);
  if (ns < 0) throw new Error('duration cannot be negative');
  return ns;
}

/** As parsePositiveDuration, and -1 means "no limit" or "off" where a size allows it. */
export function parseSwapBytes(text: string): number {
  return text === '-1' ? -1 : parseSizeBytes(text);
}
