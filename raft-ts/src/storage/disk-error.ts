// Which failures of a disk can be waited out. A write that found no room has promised nothing: it is taken back and
// tried again. After a failed sync nobody knows what is on the disk, whatever the reason: that is final.
import { RaftError } from '../errors.js';

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** The RaftError for a failed step of a write: `no-space` if it may be repeated, `io` if not. */
export function diskError(
  step: 'write' | 'sync',
  message: string,
  code: string | undefined,
  cause?: unknown,
): RaftError {
  const options = cause === undefined ? {} : { cause };
  if (step === 'write' && FULL.has(code)) return new RaftError('no-space', `the disk is full: ${message}`, options);
  return new RaftError('io', message, options);
}

/** Whether an error, of ours or of the file system, says that there was no room. */
export function isNoSpace(error: unknown): boolean {
  if (error instanceof RaftError) return error.code === 'no-space';
  return error instanceof Error && 'code' in error && FULL.has(String(error.code));
}

/** Runs an append; whatever the disk throws for want of room becomes `no-space`. */
export async function appending<T>(append: () => Promise<T>): Promise<T> {
  try {
    return await append();
  } catch (cause) {
    if (cause instanceof RaftError || !isNoSpace(cause)) throw cause;
    throw diskError('write', cause instanceof Error ? cause.message : String(cause), 'ENOSPC', cause);
  }
}
