/** What the unpacking child tells the daemon; parsed once on the daemon's side. */
import { type ErrorCode, errorCodes, SwarmtsError } from '@swarmts/lib';

export type UnpackReport =
  | { readonly ok: true; readonly sizeBytes: number }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** Size of the unpacked layer, or the failure as an error. */
export function readUnpackReport(stdout: Uint8Array, context: string): number {
  let report: Partial<{ ok: boolean; sizeBytes: number; code: string; message: string }>;
  try {
    // Our own child wrote it; the fields are still checked below.
    report = JSON.parse(Buffer.from(stdout).toString('utf8')) as typeof report;
  } catch (e) {
    throw new SwarmtsError('internal', `${context}: the unpacking process did not report`, { cause: e });
  }
  if (report.ok === true && typeof report.sizeBytes === 'number') return report.sizeBytes;
  const code = errorCodes.find((c) => c === report.code) ?? 'internal';
  throw new SwarmtsError(code, `${context}: ${report.message ?? 'unknown failure'}`);
}
