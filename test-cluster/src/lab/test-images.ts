/**
 * The images of lab and tests, built once: labs that come and go would spend their time on them. They are made anew when the script that
 * makes them has changed, or the busybox that they are made of.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/build-images.sh', import.meta.url));
/** `npm ci` empties it. */
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/swarmts-images', import.meta.url));

/** A folder with an OCI layout per image. */
export function testImages(): string {
  const busybox = run('sh', '-c', 'command -v busybox').trim();
  const made = join(
    CACHE,
    createHash('sha256').update(readFileSync(SCRIPT)).update(readFileSync(busybox)).digest('hex'),
  );
  if (existsSync(made)) return made;
  mkdirSync(CACHE, { recursive: true });
  const aside = mkdtempSync(join(CACHE, 'new-'));
  try {
    run(SCRIPT, aside);
    renameSync(aside, made);
  } catch (e) {
    rmSync(aside, { recursive: true, force: true });
    // Another lab was quicker.
    if (!existsSync(made)) throw e;
  }
  return made;
}
