/** Sockets that a killed `wireguard-go` has left: it removes its own alone, and only when it ends by itself. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { errnoOf } from '@swarmts/lib';

/** A process that has made its socket may need a moment until it listens. */
const SETTLED_MS = 5_000;

/** Removes sockets named `<prefix>...sock` that nobody listens at. */
export async function removeStaleSockets(dir: string, prefix: string, settledMs = SETTLED_MS): Promise<void> {
  for (const name of namesIn(dir)) {
    if (!name.startsWith(prefix) || !name.endsWith('.sock')) continue;
    const path = join(dir, name);
    if (ageMs(path) >= settledMs && (await isAbandoned(path))) rmSync(path, { force: true });
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return [];
    throw e;
  }
}

/** 0 for one that has just gone. */
function ageMs(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? Date.now() - stat.mtimeMs : 0;
}

function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (e) => resolve(errnoOf(e) === 'ECONNREFUSED'));
  });
}
