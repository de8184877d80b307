/** Binds the command line to the process: streams, environment, clock, ^C, exit code. Nothing is decided here. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { Output, TerminalControl } from './context.js';
import { run } from './run.js';

const DEFAULT_COLUMNS = 80;

function output(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => void stream.write(text),
    pipe: async (source) => {
      for await (const chunk of source) if (!stream.write(chunk)) await once(stream, 'drain');
    },
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? DEFAULT_COLUMNS,
  };
}

function terminal(): TerminalControl {
  return {
    raw: (on) => {
      process.stdin.setRawMode(on);
      // Node goes on translating what is shown, and the container's terminal has done so already: lines would end in \r\r\n.
      if (on) spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    },
    size: () => ({ rows: process.stdout.rows, columns: process.stdout.columns }),
    onResize: (fn) => {
      process.stdout.on('resize', fn);
      return () => process.stdout.off('resize', fn);
    },
  };
}

/** From then on ^C is a signal to the command; a second one ends the process. */
function interrupt(): () => AbortSignal {
  let controller: AbortController | undefined;
  return () => {
    if (controller === undefined) {
      const own = new AbortController();
      controller = own;
      process.once('SIGINT', () => own.abort());
    }
    return controller.signal;
  };
}

function onSignals(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void {
  for (const s of signals) process.on(s, listener);
  return () => {
    for (const s of signals) process.off(s, listener);
  };
}

// A reader that went away (`| head`) is no failure.
process.stdout.on('error', (e: NodeJS.ErrnoException) => {
  process.exit(e.code === 'EPIPE' ? 0 : 1);
});

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

process.exitCode = await run(process.argv.slice(2), {
  version: manifest.version,
  out: output(process.stdout),
  err: output(process.stderr),
  env: process.env,
  stdin: () => process.stdin,
  stdinIsTerminal: isatty(0),
  ...(isatty(0) && isatty(1) ? { terminal: terminal() } : {}),
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
  },
  interrupt: interrupt(),
  onSignals,
});
