import { readFileSync } from 'node:fs';

/** What a file of the kernel or of the machine's configuration says, without the space around it; '' for one that cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
