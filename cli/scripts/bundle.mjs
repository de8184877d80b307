/**
 * Puts the command line's own modules together, after `tsc -b`: Node finds and links each file by itself, and reading twenty of them takes
 * longer than most commands. Packages stay outside, for the few commands that need them.
 */
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const cli = fileURLToPath(new URL('..', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${cli}package.json`, 'utf8'));

rmSync(`${cli}bundle`, { recursive: true, force: true });
await build({
  entryPoints: [`${cli}dist/main.js`],
  outdir: `${cli}bundle`,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: Object.keys(dependencies).filter((name) => !name.startsWith('@swarmts/')),
  logLevel: 'warning',
});
