/** Takes out of an output what is another each time, or on each machine: ids, times, digests, addresses, versions, widths of columns. Pure. */

const MASKS: readonly (readonly [RegExp, string])[] = [
  [/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, 'TOKEN'],
  [/sha256:[0-9a-f]{64}/g, 'DIGEST'],
  [/\b[0-9a-f]{64}\b/g, 'ID'],
  [/\b[0-9a-z]{25}\b/g, 'ID'],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b/g, 'ID'],
  [/^[0-9a-z]{12}(?= {2})/gm, 'ID'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?: ?(?:Z|[+-]\d{4})(?: UTC)?| UTC)?/g, 'TIME'],
  [
    /\b(?:About an? (?:second|minute|hour)|Less than a second|\d+ (?:seconds?|minutes?|hours?|days?|weeks?))(?: ago)?/g,
    'AGE',
  ],
  [/\b10\.210\.\d+\.\d+/g, 'ADDRESS'],
  [/\b(?:d1|m1)\b/g, 'NODE'],
  [/\b(?:20\.10\.\d+(?:\+\w+)?|0\.1\.0)\b/g, 'VERSION'],
  [/\b[\d.]+ ?[kMG]?B\b/g, 'SIZE'],
];

/** Depends on who is first: layers among each other, and the client, which gives up waiting when a start has failed. */
const PROGRESS = /: (?:Waiting|Verifying Checksum|Download complete)$|rror waiting for container: context canceled/;

export function mask(text: string): string {
  const masked = MASKS.reduce((t, [what, by]) => t.replaceAll(what, by), text);
  return masked
    .split('\n')
    .filter((line) => !PROGRESS.test(line))
    .map((line) => line.replaceAll(/ {2,}|\t/g, '  ').trimEnd())
    .join('\n');
}
