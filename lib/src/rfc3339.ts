/** Times of RFC 3339 with nanoseconds, which `Date` does not have. */

/** Nanoseconds since the epoch; undefined for what is no time or date. Without time zone as `Date` reads it. */
export function parseTimeNs(text: string): bigint | undefined {
  const m = /^(.*:\d\d)\.(\d{1,9})(\D.*)?$/.exec(text);
  const ms = Date.parse(m === null ? text : `${m[1]}${m[3] ?? ''}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt((m?.[2] ?? '').padEnd(9, '0'));
}

/** With all nine digits, as Go's RFC3339NanoFixed. */
export function timeNanoFixed(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const rest = ns % 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest.toString().padStart(9, '0')}Z`;
}

/** "1700000000.000000001", as Docker's API takes times. */
export function timestampOf(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}`;
}
