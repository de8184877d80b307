/** The daemon's side of the files of containers: starts the children and passes archives through named pipes. */
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { type ErrorCode, errorCodes, newHexId, SwarmtsError } from '@swarmts/lib';
import type { HelperApi, ProcessSpec, RunResult } from '../helper/helper-api.js';
import type { IdMaps } from '../userns/id-map.js';
import { FILES_MAIN, type FilesRequest, type PathStat, type RootRequest } from './files-request.js';

export interface FilesHost {
  readonly ids: IdMaps | undefined;
  readonly helper: HelperApi;
  /** For the pipes of one operation. */
  readonly directory: string;
}

export interface UnpackOptions {
  readonly keepKinds: boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** 'not-found' when nothing is there. */
export async function statPath(host: FilesHost, root: RootRequest, path: string): Promise<PathStat> {
  return reported<PathStat>(await host.helper.run(specOf({ root, verb: 'stat', path })));
}

/** The tar archive of a path, or of everything when it is ''. Leaving early ends the child. */
export async function* packPath(
  host: FilesHost,
  root: RootRequest,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const pipes = await openPipes(host, 'stdout');
  const leaving = new AbortController();
  const until = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal;
  try {
    const running = host.helper.run(
      { ...specOf({ root, ids: host.ids, verb: 'pack', path }), stdoutFile: pipes.path },
      until,
    );
    // Without a child nobody ever has the other end: who reads would wait for it for ever.
    running.catch(() => pipes.close());
    // Requests are begun in their order: after this one the child has the other end.
    await host.helper.makePipes([]);
    try {
      yield* pipes.reader();
    } catch (e) {
      await running;
      throw e;
    }
    reported(await running);
  } finally {
    leaving.abort();
    pipes.close();
  }
}

/** Resolves when everything is unpacked into the directory. */
export async function unpackInto(
  host: FilesHost,
  root: RootRequest,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
  signal?: AbortSignal,
): Promise<void> {
  const pipes = await openPipes(host, 'stdin');
  try {
    const running = host.helper.run(
      { ...specOf({ root, ids: host.ids, verb: 'unpack', path, ...options }), stdinFile: pipes.path },
      signal,
    );
    running.catch(() => undefined);
    // Requests are begun in their order: what is written before the child has its end would be lost with ours.
    await host.helper.makePipes([]);
    // The child says what is wrong; that nobody takes the rest of the archive is only a consequence.
    await Promise.race([pipes.write(archive), running.then(() => undefined)]);
    reported(await running);
  } finally {
    pipes.close();
  }
}

function specOf(request: FilesRequest): ProcessSpec {
  return {
    argv: [process.execPath, '--max-semi-space-size=2', FILES_MAIN, JSON.stringify(request)],
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  };
}

function reported<T>(result: RunResult): T {
  const text = Buffer.from(result.stderr).toString('utf8').trim();
  const line = text.split('\n').findLast((l) => l.startsWith('{'));
  if (line === undefined) {
    throw new SwarmtsError('internal', `the files of the container cannot be reached: ${text || result.signal}`);
  }
  // Written by files-main.ts.
  const report = JSON.parse(line) as { ok: boolean; value: T; code?: string; message?: string };
  if (report.ok) return report.value;
  const code: ErrorCode = errorCodes.find((c) => c === report.code) ?? 'internal';
  throw new SwarmtsError(code, report.message ?? 'unknown failure');
}

interface Pipes {
  readonly path: string;
  reader(): AsyncIterable<Uint8Array>;
  write(source: AsyncIterable<Uint8Array>): Promise<void>;
  close(): void;
}

async function openPipes(host: FilesHost, name: 'stdin' | 'stdout'): Promise<Pipes> {
  const directory = join(host.directory, `files-${newHexId().slice(0, 12)}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, name);
  await host.helper.makePipes([path]);
  const access = name === 'stdout' ? constants.O_RDONLY : constants.O_RDWR;
  let fd: number | undefined = openSync(path, access | constants.O_NONBLOCK);
  let socket: Socket | undefined;
  const open = (): Socket => {
    if (fd === undefined) throw new SwarmtsError('aborted', 'the pipe was closed');
    socket = new Socket({ fd, readable: name === 'stdout', writable: name === 'stdin' });
    fd = undefined;
    socket.on('error', () => undefined);
    return socket;
  };
  return {
    path,
    reader: open,
    write: async (source) => {
      const s = open();
      for await (const chunk of source) {
        if (s.destroyed) return;
        await new Promise<void>((resolve) => {
          s.once('close', resolve);
          s.write(chunk, () => {
            s.off('close', resolve);
            resolve();
          });
        });
      }
      s.destroy();
    },
    close: () => {
      socket?.destroy();
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
