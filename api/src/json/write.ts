/** Small pieces of Docker's JSON: times in RFC 3339, enum words, fields that are left out when empty. */

export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** RFC 3339; 0 is Go's zero time. */
export function timeJson(ms: number): string {
  return ms === 0 ? ZERO_TIME : new Date(ms).toISOString();
}

/** The word of a table whose value is `value`; tables are read the same way. */
export function wordOf<T>(table: Readonly<Record<string, T>>, value: T): string {
  for (const [word, v] of Object.entries(table)) if (v === value) return word;
  return '';
}

/** Drops undefined, '', 0, false, empty lists and empty objects: Go's `omitempty`. */
export function omitEmpty(o: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(o)) {
    const value = o[key];
    if (!isEmpty(value)) kept[key] = value;
  }
  return kept;
}

/** The text of an object that has fields, with one more. */
export function appendField(object: string, name: string, value: string): string {
  return `${object.slice(0, -1)},${JSON.stringify(name)}:${value}}`;
}

function isEmpty(v: unknown): boolean {
  if (v === undefined || v === null || v === '' || v === 0 || v === false) return true;
  if (Array.isArray(v)) return v.length === 0;
  return typeof v === 'object' && Object.keys(v).length === 0;
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** "Less than a second", "5 minutes", as Docker counts. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
