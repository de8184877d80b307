/** How the children of images and builds report: one line of JSON on stdout, a result or a failure with its code. */
import { type ErrorCode, errnoOf, errorCodes, isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { abortError } from '../images/shared-jobs.js';

type ChildReport<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** The last thing that a child does. */
export async function reportFrom<T>(work: () => Promise<T> | T): Promise<void> {
  let report: ChildReport<T>;
  try {
    report = { ok: true, value: await work() };
  } catch (e) {
    const errno = errnoOf(e);
    const full = errno === 'ENOSPC' || errno === 'EDQUOT';
    const code = isSwarmtsError(e) ? e.code : full ? 'no-space' : 'internal';
    report = { ok: false, code, message: full ? `no space left on device: ${messageOf(e)}` : messageOf(e) };
  }
  endWith(report);
}

/** Prints the line and ends the process, whatever it has still open: a program that unpacks may wait to be read from for ever. */
export function endWith(report: object): void {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit());
}

/**
 * Runs one of our own programs with `request` as JSON on its standard input and resolves to what it reports. `T` is what that
 * program writes: both ends are in one release.
 */
export async function runChild<T>(
  helper: HelperApi,
  program: string,
  request: unknown,
  context: string,
  signal?: AbortSignal,
): Promise<T> {
  const result = await helper.run(
    {
      argv: [process.execPath, program],
      stdin: Buffer.from(JSON.stringify(request)),
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    },
    signal,
  );
  if (signal?.aborted) throw abortError(signal);
  let report: Partial<{ ok: boolean; value: T; code: string; message: string }>;
  try {
    report = JSON.parse(Buffer.from(result.stdout).toString('utf8')) as typeof report;
  } catch (e) {
    const said = Buffer.from(result.stderr).toString('utf8').trim();
    const why = said || `it ended with ${result.signal || result.code}`;
    throw new SwarmtsError('internal', `${context}: the child process did not report: ${why}`, { cause: e });
  }
  if (report.ok === true) return report.value as T;
  const code = errorCodes.find((c) => c === report.code) ?? 'internal';
  const prefix = context === '' ? '' : `${context}: `;
  throw new SwarmtsError(code, `${prefix}${report.message ?? 'unknown failure'}`);
}

/** The request of a child. */
export async function readRequest<T>(): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  // The daemon wrote it with `runChild`.
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
}
