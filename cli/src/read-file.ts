/** Files that a command line or a compose file names. */
import { readFileSync } from 'node:fs';
import { CommandError, fileErrorText } from './exit.js';

/** Throws CommandError "open PATH: why" behind `prefix`. */
export function readNamedFile(path: string, prefix = ''): Buffer {
  try {
    return readFileSync(path);
  } catch (e) {
    throw new CommandError(`${prefix}open ${path}: ${fileErrorText(e)}`);
  }
}
