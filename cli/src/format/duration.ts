/** Times as people read them: "3 minutes", "About an hour", in Docker's words. Pure: the present is passed in. */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY_HOURS = 24;

export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(ms / 1000 / HOUR + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 2 * DAY_HOURS) return `${hours} hours`;
  if (hours < 14 * DAY_HOURS) return `${Math.trunc(hours / DAY_HOURS)} days`;
  if (hours < 60 * DAY_HOURS) return `${Math.trunc(hours / DAY_HOURS / 7)} weeks`;
  if (hours < 2 * 365 * DAY_HOURS) return `${Math.trunc(hours / DAY_HOURS / 30)} months`;
  return `${Math.trunc(ms / 1000 / HOUR / DAY_HOURS / 365)} years`;
}

/** "3 minutes ago"; '' for a time that is not set. */
export function ago(time: string | number | undefined, nowMs: number): string {
  const at = typeof time === 'number' ? time : timeMs(time);
  return at === undefined ? '' : `${humanDuration(nowMs - at)} ago`;
}

/** Milliseconds of an RFC 3339 time; undefined for Go's zero time and for text that is no time. */
export function timeMs(time: string | undefined): number | undefined {
  if (!time || time.startsWith('0001-')) return undefined;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The form that Docker's pretty inspect prints: 2026-01-02 03:04:05.678 +0000 UTC. */
export function prettyTime(time: string | undefined): string {
  if (timeMs(time) === undefined) return '';
  return `${(time ?? '').replace('T', ' ').replace(/Z$/, '')} +0000 utc`;
}
