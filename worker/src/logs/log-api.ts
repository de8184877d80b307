/** Logs as those see them who read them. */

export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** With its trailing newline; without one it is a part of a line, and the next entry of the stream goes on with it. */
  readonly line: Uint8Array;
  /** Where the next entry begins; absent while a part of a line of the other stream is before that. */
  readonly end?: LogPosition;
}

/** A place in a log: everything before it is left out. */
export interface LogPosition {
  /** Identity of the file. */
  readonly file: string;
  readonly offset: number;
  /** So many records of one stream, from here on, belong to lines that are before. */
  readonly leftOut?: { readonly stream: LogEntry['stream']; readonly records: number };
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Number of last lines, -1 = all. */
  readonly tail: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** Where to begin instead of `tail`. */
  readonly from?: LogPosition;
  /** Told where reading begins, before the first entry: `from` there gives the same entries, and those that came since. */
  readonly onStart?: (at: LogPosition) => void;
}
