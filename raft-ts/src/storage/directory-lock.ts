// One process per directory. Whoever wants it binds a socket of its own there, then looks for the others: one that
// still answers belongs to a living process, whatever its pid or network namespace, and the kernel takes the listener
// away with the process, so that nothing is left to be judged stale after a crash.
// Invariant: of two that try at once at most one succeeds, because each binds before it looks.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { RaftError } from '../errors.js';

const PREFIX = 'lock.';
const TOKEN_BYTES = 8;

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Throws a RaftError `locked` if another living process, or another member of this one, has the directory. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const name = `${PREFIX}${randomBytes(TOKEN_BYTES).toString('hex')}`;
  const handle = await open(directory, 'r');
  try {
    const base = await socketBase(directory, handle);
    const server = await listen(`${base}/${name}.new`);
    try {
      // Under its final name it is found only once it answers.
      await rename(`${directory}/${name}.new`, `${directory}/${name}`);
      await refuseOthers(directory, base, name);
    } catch (error) {
      await close(server);
      await unlink(`${directory}/${name}`).catch(() => undefined);
      throw error;
    }
    return {
      async release() {
        await unlink(`${directory}/${name}`).catch(() => undefined);
        await close(server);
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function refuseOthers(directory: string, base: string, own: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX) || name === own) continue;
    if (await answers(`${base}/${name}`)) {
      throw new RaftError('locked', `another process has ${directory} open`);
    }
    await unlink(`${directory}/${name}`).catch(() => undefined);
  }
}

/** Socket paths are limited to 107 bytes: on Linux the directory's handle gives a short one. */
async function socketBase(directory: string, handle: FileHandle): Promise<string> {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : directory;
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // Its queue is full: somebody listens.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}
