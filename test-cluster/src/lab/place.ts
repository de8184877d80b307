/**
 * A lab's place on the machine: its folders, and what it shares with the labs beside it. What is shared the first lab makes and the
 * last one takes away. Labs come and go in several processes at once, so this is done by one of them at a time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '../wait.js';
import { mountLeftControllers, removeCgroup, unmountControllers } from './cgroups.js';

export const RUN_ROOT = '/run/swarmts-lab';
export const DATA_ROOT = '/var/lib/swarmts-lab';
/** The cgroup of all labs. */
export const LAB_CGROUP = 'swarmts-lab';
/** Controllers that the first lab mounted and the last one takes away. */
const CONTROLLERS = join(RUN_ROOT, 'controllers.json');
/** An abstract socket goes with the process that holds it, however that ends. */
const LOCK = '\0swarmts-lab';
const LOCK_TIMEOUT_MS = 60_000;
const REMOVAL_TIMEOUT_MS = 35_000;

/** Throws when there is a lab of that name already. */
export function takePlace(name: string): Promise<void> {
  return alone(async () => {
    if (existsSync(join(RUN_ROOT, name, 'lab.json')))
      throw new Error(`lab '${name}' is up already: take it down with \`lab down --name ${name}\``);
    for (const root of [RUN_ROOT, DATA_ROOT]) mkdirSync(join(root, name), { recursive: true });
    const controllers = mountLeftControllers();
    if (controllers.length > 0) writeFileSync(CONTROLLERS, JSON.stringify(controllers));
  });
}

/** Nothing of the lab runs any more. */
export function leavePlace(name: string): Promise<void> {
  return alone(async () => {
    await waitFor('the files of the lab are removed', REMOVAL_TIMEOUT_MS, () => {
      for (const root of [DATA_ROOT, RUN_ROOT]) rmSync(join(root, name), { recursive: true, force: true });
      return true;
    });
    if (places().length > 0) return;
    removeCgroup(LAB_CGROUP);
    if (existsSync(CONTROLLERS)) await unmountControllers(JSON.parse(readFileSync(CONTROLLERS, 'utf8')) as string[]);
    for (const root of [RUN_ROOT, DATA_ROOT]) rmSync(root, { recursive: true, force: true });
  });
}

/** Names of labs, those included that are just being made. */
export function places(): readonly string[] {
  if (!existsSync(RUN_ROOT)) return [];
  return readdirSync(RUN_ROOT, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [e.name] : []));
}

async function alone(fn: () => Promise<void>): Promise<void> {
  const lock = await waitFor('the other labs have come or gone', LOCK_TIMEOUT_MS, tryLock);
  try {
    await fn();
  } finally {
    lock.close();
  }
}

function tryLock(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(LOCK, () => resolve(server));
  });
}
