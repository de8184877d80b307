#!/usr/bin/env -S node --
import { statSync } from 'node:fs';

const timeOf = (path) => statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;

// What was compiled since the modules were put together is in their own files alone.
const bundled = timeOf('../bundle/main.js');
const isCurrent = ['../dist/.tsbuildinfo', '../../lib/dist/.tsbuildinfo'].every((path) => timeOf(path) < bundled);
await import(isCurrent ? '../bundle/main.js' : '../dist/main.js');
