/** Running programs of the machine from the lab: arguments as lists, errors with what was run and what it said. */
import { spawn, spawnSync } from 'node:child_process';

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs to the end, whatever the exit code. Throws only when the program cannot be started. */
export function tryRun(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): RunResult {
  const r = spawnSync(program, args, {
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.env ? { env: options.env } : {}),
  });
  if (r.error) throw r.error;
  return { code: r.status ?? 128, stdout: r.stdout, stderr: r.stderr };
}

/** Runs to the end; a non-zero exit throws with the program's own words. */
export function run(program: string, ...args: readonly string[]): string {
  const r = tryRun(program, args);
  if (r.code !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${r.stderr.trim() || r.stdout.trim() || `exit code ${r.code}`}`);
  return r.stdout;
}

/** As `tryRun`, without blocking this process: for scenarios that do several things at once. */
export function runAsync(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly signal?: AbortSignal } = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.env ? { env: options.env } : {}),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const onAbort = () => child.kill('SIGTERM');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.on('data', (b: Buffer) => out.push(b));
    child.stderr.on('data', (b: Buffer) => err.push(b));
    child.once('error', reject);
    child.once('close', (code) => {
      options.signal?.removeEventListener('abort', onAbort);
      resolve({ code: code ?? 128, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}
