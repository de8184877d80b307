/** Compares with a file in testdata/; REWRITE_GOLDEN=1 writes what came out instead. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

export function matchesGolden(name: string, actual: string): void {
  const file = new URL(`../../testdata/${name}.golden`, import.meta.url);
  if (process.env.REWRITE_GOLDEN === '1') writeFileSync(file, actual);
  assert.equal(actual, readFileSync(file, 'utf8'), `${name}.golden differs (REWRITE_GOLDEN=1 rewrites it)`);
}
