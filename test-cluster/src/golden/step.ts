/** One call of the docker command. */

export interface CliStep {
  /** Of its golden file. */
  readonly name: string;
  readonly args: readonly string[];
  readonly input?: string;
  /** Its output is not compared, only whether it works. */
  readonly prepares?: boolean;
}

export const IMAGE = 'registry:5000/busybox';

/** Words with blanks between them; for anything else there is a list. */
export const step = (name: string, line: string | readonly string[], more: Partial<CliStep> = {}): CliStep => ({
  name,
  args: typeof line === 'string' ? line.split(' ') : line,
  ...more,
});
