/**
 * Turns an OCI runtime's complaint into Docker's message and the exit code that Docker's users expect: 127 for a command that
 * is not there, 126 for one that cannot be run, 128 for everything else.
 */
import { SwarmtsError } from '@swarmts/lib';

export interface StartFailure {
  readonly exitCode: number;
  readonly message: string;
  readonly error: SwarmtsError;
}

const NOT_FOUND = /executable file.*not found|no such file or directory|system cannot find/i;
const CWD = /chdir to cwd/;
const NOT_EXECUTABLE = /permission denied|operation not permitted|is a directory|exec format error|not a directory/i;

/** `text` is what the runtime or its monitor printed, `command` what it was to run. */
export function startFailure(text: string, command?: string): StartFailure {
  const detail = runtimeMessage(text, command);
  const message = `failed to create task for container: failed to create shim task: OCI runtime create failed: ${detail}: unknown`;
  // Mount problems also say "no such file": only the process counts for the exit code.
  const aboutProcess =
    /exec:|exec |unable to start container process|executable file/i.test(detail) && !/mount/i.test(detail);
  const exitCode =
    aboutProcess && NOT_FOUND.test(detail) ? 127 : aboutProcess && NOT_EXECUTABLE.test(detail) ? 126 : 128;
  return { exitCode, message, error: new SwarmtsError(exitCode === 128 ? 'internal' : 'invalid-argument', message) };
}

/** As Docker reports an exec that could not be started; it knows no 128. */
export function execFailure(text: string, command?: string): StartFailure {
  const detail = runtimeMessage(text, command).replace(/^exec failed:\s*/, '');
  const message = `OCI runtime exec failed: exec failed: ${detail}: unknown`;
  // A working directory that is not there is no command that is not there.
  const exitCode = NOT_FOUND.test(detail) && !CWD.test(detail) ? 127 : 126;
  return { exitCode, message, error: new SwarmtsError('invalid-argument', message) };
}

/** The runtime's message without log decoration: runc prefixes time and level, conmon adds its own line. */
export function runtimeMessage(text: string, command?: string): string {
  const lines = text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '');
  const chosen =
    lines.findLast((l) => /level=error|runc create failed|^\{.*"level":\s*"error"/.test(l)) ?? lines.at(-1) ?? '';
  return inRuncsWords(unquoted(chosen).replace(/^(container create failed:\s*)+/, ''), command);
}

/** Docker's users know runc's sentences about the command; crun has others. */
function inRuncsWords(message: string, command: string | undefined): string {
  const [, missing] = /executable file `([^`]*)` not found(?: in \$PATH)?/i.exec(message) ?? [];
  if (missing !== undefined) {
    const what = missing.includes('/')
      ? `stat ${missing}: no such file or directory`
      : 'executable file not found in $PATH';
    return `unable to start container process: exec: ${JSON.stringify(missing)}: ${what}`;
  }
  const [, directory, problem = ''] = /^chdir `([^`]*)`: (.*)$/i.exec(message) ?? [];
  if (directory !== undefined) {
    const what = `chdir to cwd (${JSON.stringify(directory)}) set in config.json failed`;
    return `unable to start container process: ${what}: ${problem.toLowerCase()}`;
  }
  const [, why] = /^open executable: (.*)$/i.exec(message) ?? [];
  if (why === undefined) return message;
  // The directory that it was looked for in has been found instead.
  if (command === '') return 'unable to start container process: exec: "": executable file not found in $PATH';
  // What runc says of a directory; Docker's client knows these words only.
  const known = /operation not permitted/i.test(why) ? 'permission denied' : why.toLowerCase();
  const what = command === undefined ? '' : `${JSON.stringify(command)}: `;
  return `unable to start container process: exec: ${what}${known}`;
}

function unquoted(line: string): string {
  const logfmt = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line);
  if (logfmt) return (logfmt[1] ?? '').replace(/\\(.)/g, '$1');
  const json = /"msg":\s*("(?:[^"\\]|\\.)*")/.exec(line);
  return json ? String(JSON.parse(json[1] ?? '""')) : line;
}
