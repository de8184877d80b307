/**
 * Starts the helper process: the only place where the daemon forks. The helper runs detached, in a process group and
 * session of its own, so that ^C in a terminal reaches the daemon alone.
 */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Clock, type Logger, SwarmtsError } from '@swarmts/lib';
import type { PrivilegedHelper } from './helper-api.js';
import { HelperClient, type HelperProcess } from './helper-client.js';

export interface StartHelperOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Runs the helper inside of this network namespace (a file) instead of the daemon's own: tests do. */
  readonly netnsPath?: string;
  /** Keeps the host's own settings while networks need others; gone after a reboot. Without one they are not restored. */
  readonly forwardingFile?: string;
  /** Program file of the helper, where it is not beside this module. */
  readonly mainFile?: string;
}

const SOCKET_FD = 3;
/** A small process: little garbage, no need of parallel collection. */
const NODE_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=256', '--v8-pool-size=1'];

/** Starts the helper and waits until it is up. `close()` of the result ends it. */
export async function startHelper(options: StartHelperOptions = {}): Promise<PrivilegedHelper> {
  const { logger, clock } = options;
  const client = new HelperClient({
    spawn: () => spawnHelper(options),
    ...(logger === undefined ? {} : { logger }),
    ...(clock === undefined ? {} : { clock }),
  });
  await client.start();
  return client;
}

function spawnHelper(options: StartHelperOptions): HelperProcess {
  const main = options.mainFile ?? fileURLToPath(new URL('./main.js', import.meta.url));
  const node = [process.execPath, ...NODE_FLAGS, main, ...(options.forwardingFile ? [options.forwardingFile] : [])];
  const [program = '', ...args] =
    options.netnsPath === undefined ? node : ['nsenter', `--net=${options.netnsPath}`, '--', ...node];
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    detached: true,
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  const socket = child.stdio[SOCKET_FD];
  if (!(socket instanceof Duplex)) throw new SwarmtsError('internal', 'no socket to the helper');
  const exited = new Promise<string>((resolve) => {
    child.once('error', (e) => resolve(e.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { socket, exited, kill: () => void child.kill('SIGKILL') };
}
