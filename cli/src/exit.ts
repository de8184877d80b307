/** How a command ends when it does not succeed: the text for stderr and the exit code. Nothing else decides exit codes. */

/** The command ran and failed. An empty message prints nothing. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

const INTERRUPTED_EXIT_CODE = 130;

/** ^C, as a shell reports it. What was asked for of other targets is not begun any more. */
export class InterruptedError extends CommandError {
  constructor(message: string) {
    super(message, INTERRUPTED_EXIT_CODE);
    this.name = 'InterruptedError';
  }
}

/** The command line itself is wrong. `where` is the command whose help explains it. */
export class UsageError extends CommandError {
  constructor(message: string, where: string, exitCode = 125) {
    super(`${message}\nSee '${where} --help'.`, exitCode);
    this.name = 'UsageError';
  }
}

export function errorText(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

/** Why a file could not be had, in the system's words, for callers that name the file themselves. */
export function fileErrorText(e: unknown): string {
  return errorText(e).replace(/^E[A-Z0-9]+: (.+), [a-z]+( '[\s\S]*)?$/, '$1');
}

/** Runs `act` for every target; failures do not stop the others, and are reported together at the end. */
export async function forEachTarget(targets: readonly string[], act: (target: string) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  for (const target of targets) {
    try {
      await act(target);
    } catch (e) {
      if (e instanceof InterruptedError) throw new InterruptedError([...failures, e.message].join('\n'));
      failures.push(errorText(e));
    }
  }
  if (failures.length > 0) throw new CommandError(failures.join('\n'));
}
