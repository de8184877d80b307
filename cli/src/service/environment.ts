/**
 * Environment variables of a service: files first, flags after them; a bare name takes the caller's value. Where
 * the caller has none, a name in a file says nothing, and one in a flag takes the image's variable away, as with Docker.
 */
import { CommandError } from '../exit.js';
import { readNamedFile } from '../read-file.js';

type Env = Readonly<Record<string, string | undefined>>;

export function readEnvironment(files: readonly string[], flags: readonly string[], env: Env): string[] {
  const withValue = (entry: string): string | undefined => {
    if (entry.startsWith('=') || entry === '') throw new CommandError(`invalid environment variable: ${entry}`);
    if (entry.includes('=')) return entry;
    return env[entry] === undefined ? undefined : `${entry}=${env[entry]}`;
  };
  const fromFiles = files.flatMap((file) => readEnvFile(file)).flatMap((entry) => withValue(entry) ?? []);
  return [...fromFiles, ...flags.map((entry) => withValue(entry) ?? entry)];
}

/** The lines of a file of `NAME=value` or `NAME`, as --env-file and --label-file name it. */
export function readEnvFile(file: string): string[] {
  return parseEnvFile(
    readNamedFile(file)
      .toString()
      .replace(/^\uFEFF/, ''),
    file,
  );
}

export function parseEnvFile(content: string, file: string): string[] {
  return content
    .split(/\r?\n/)
    .map((l) => l.trimStart())
    .filter((l) => l !== '' && !l.startsWith('#'))
    .map((l) => {
      const name = l.split('=')[0] ?? '';
      if (name === '')
        throw new CommandError(`poorly formatted environment: no variable name on line '${l}' (${file})`);
      if (/\s/.test(name)) {
        throw new CommandError(`poorly formatted environment: variable '${name}' contains whitespaces (${file})`);
      }
      return l;
    });
}
