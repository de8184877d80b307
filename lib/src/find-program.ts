/** Looks a program up as a shell would, and in the places of system programs, which a service's PATH may leave out. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The path of an executable file: `name` itself when it has a slash, else the first hit. Undefined when there is none. */
export function findProgram(name: string, searchPath: string = process.env.PATH ?? ''): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined;
  const directories = [...searchPath.split(delimiter), ...SYSTEM_DIRECTORIES].filter((d) => d !== '');
  return directories.map((d) => join(d, name)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
