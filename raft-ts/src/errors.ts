// The one error class of this package, with a closed list of codes. Bugs are thrown as plain `Error` by `invariant`;
// everything a caller can meet in operation is a `RaftError`.

export type RaftErrorCode =
  /** This member is not the leader; `leader` says who is, 0 if unknown. Nothing was proposed. */
  | 'not-leader'
  /** Refused before it entered the log: too much uncommitted, another conf change under way, or a transfer to `leader`. */
  | 'dropped'
  | 'aborted'
  | 'stopped'
  /** Leadership went away before the proposal was committed; see `outcomeUnknown`. */
  | 'leadership-lost'
  /** The caller's argument cannot be right: an empty or oversized proposal, an impossible conf change. */
  | 'invalid'
  /** Bytes that are not a message of ours. */
  | 'malformed'
  /** Stored bytes are damaged in a way that a crash cannot explain. */
  | 'corrupt'
  /** What is stored is less than what this member has acknowledged: it must not take part any more, and can only join anew. */
  | 'outdated'
  /** The leader's log lacks what this member has committed: others have lost it. This one can only join anew. */
  | 'diverged'
  /** The disk refused; after that the log accepts nothing more until the process is restarted. */
  | 'io'
  /** The disk is full. Nothing was lost, and the member goes on by itself once there is room. */
  | 'no-space'
  /** Another process has the directory open. */
  | 'locked'
  /** A bug: an invariant does not hold, or the state machine, the transport or a callback threw. */
  | 'broken';

export interface RaftErrorOptions {
  readonly cause?: unknown;
  readonly leader?: number;
  readonly outcomeUnknown?: boolean;
}

const RETRYABLE: ReadonlySet<RaftErrorCode> = new Set(['not-leader', 'dropped', 'leadership-lost', 'no-space']);

export class RaftError extends Error {
  override readonly name = 'RaftError';
  readonly code: RaftErrorCode;
  /** Whether trying again, perhaps at another member, makes sense. */
  readonly retryable: boolean;
  /** True if the proposal may still be committed and applied later: repeat only what is idempotent. */
  readonly outcomeUnknown: boolean;
  /** The leader to ask instead, as far as known; 0 otherwise. */
  readonly leader: number;

  constructor(code: RaftErrorCode, message: string, options: RaftErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    this.outcomeUnknown = options.outcomeUnknown ?? false;
    this.leader = options.leader ?? 0;
  }
}

export function isRaftError(error: unknown, code?: RaftErrorCode): error is RaftError {
  return error instanceof RaftError && (code === undefined || error.code === code);
}

/** Checks what only a bug can break, in production too: going on with a broken invariant would lose data. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`raft invariant broken: ${message}`);
}
