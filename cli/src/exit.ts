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

/** Runs `act` for every target; failures do not stop the others, and are reported together at the end. */
export async function forEachTarget(targets: readonly string[], act: (target: string) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  for (const target of targets) {
    try {
      await act(target);
    } catch (e) {
      failures.push(errorText(e));
    }
  }
  if (failures.length > 0) throw new CommandError(failures.join('\n'));
}
