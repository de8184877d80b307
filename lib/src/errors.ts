/**
 * The one error class for operational failures, with its closed list of codes. One table maps every code to the gRPC
 * status, the Docker HTTP status and the CLI's exit code. Bugs are not reported with it: use `invariant` for those.
 */

export const errorCodes = [
  'invalid-argument',
  'not-found',
  'already-exists',
  'conflict',
  'out-of-sequence',
  'failed-precondition',
  'not-a-manager',
  'already-in-swarm',
  'no-leader',
  'not-leader',
  'permission-denied',
  'unauthenticated',
  'resource-exhausted',
  'port-conflict',
  'no-space',
  'timeout',
  'aborted',
  'unavailable',
  'unsupported',
  'not-modified',
  'image-not-found',
  'corrupt',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

interface ErrorMapping {
  /** google.rpc.Code. */
  readonly grpc: number;
  /** Status of the Docker Engine API. */
  readonly http: number;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** Exit code of the CLI. */
  readonly exit: number;
}

export const errorTable: Readonly<Record<ErrorCode, ErrorMapping>> = {
  'invalid-argument': { grpc: 3, http: 400, retryable: false, exit: 1 },
  'not-found': { grpc: 5, http: 404, retryable: false, exit: 1 },
  'already-exists': { grpc: 6, http: 409, retryable: false, exit: 1 },
  conflict: { grpc: 10, http: 409, retryable: false, exit: 1 },
  'out-of-sequence': { grpc: 11, http: 400, retryable: true, exit: 1 },
  'failed-precondition': { grpc: 9, http: 400, retryable: false, exit: 1 },
  'not-a-manager': { grpc: 9, http: 503, retryable: false, exit: 1 },
  'already-in-swarm': { grpc: 9, http: 503, retryable: false, exit: 1 },
  'no-leader': { grpc: 14, http: 503, retryable: true, exit: 1 },
  'not-leader': { grpc: 14, http: 503, retryable: true, exit: 1 },
  'permission-denied': { grpc: 7, http: 403, retryable: false, exit: 1 },
  unauthenticated: { grpc: 16, http: 401, retryable: false, exit: 1 },
  'resource-exhausted': { grpc: 8, http: 503, retryable: true, exit: 1 },
  'port-conflict': { grpc: 9, http: 500, retryable: false, exit: 1 },
  'no-space': { grpc: 8, http: 500, retryable: true, exit: 1 },
  timeout: { grpc: 4, http: 500, retryable: true, exit: 1 },
  aborted: { grpc: 1, http: 500, retryable: true, exit: 1 },
  unavailable: { grpc: 14, http: 503, retryable: true, exit: 1 },
  unsupported: { grpc: 12, http: 501, retryable: false, exit: 1 },
  'not-modified': { grpc: 0, http: 304, retryable: false, exit: 0 },
  'image-not-found': { grpc: 5, http: 404, retryable: false, exit: 125 },
  corrupt: { grpc: 15, http: 500, retryable: false, exit: 1 },
  internal: { grpc: 13, http: 500, retryable: false, exit: 1 },
};

export interface SwarmtsErrorOptions {
  readonly cause?: unknown;
}

/** An operational failure: names the input that was wrong and the way out. */
export class SwarmtsError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: SwarmtsErrorOptions = {}) {
    super(message, options);
    this.name = 'SwarmtsError';
    this.code = code;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }
}

/** Whether `e` is a SwarmtsError, optionally with one of the given codes. */
export function isSwarmtsError(e: unknown, ...codes: readonly ErrorCode[]): e is SwarmtsError {
  return e instanceof SwarmtsError && (codes.length === 0 || codes.includes(e.code));
}

/** The message of anything that was thrown. */
export function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

/** Wraps whatever was thrown into a SwarmtsError; one that already is comes back as it is. */
export function asSwarmtsError(e: unknown, code: ErrorCode = 'internal'): SwarmtsError {
  return e instanceof SwarmtsError ? e : new SwarmtsError(code, messageOf(e), { cause: e });
}

/** The errno name ('ENOENT', ...) of a Node system error, '' for anything else. */
export function errnoOf(e: unknown): string {
  if (typeof e === 'object' && e !== null && 'code' in e && typeof e.code === 'string') return e.code;
  return '';
}
