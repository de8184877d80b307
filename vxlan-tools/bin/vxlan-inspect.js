#!/usr/bin/env node
import { runInspect } from '../dist/inspect/main.js';

try {
  process.exitCode = runInspect(process.argv.slice(2), (text) => void process.stdout.write(text));
} catch (e) {
  process.stderr.write(`vxlan-inspect: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exitCode = 2;
}
