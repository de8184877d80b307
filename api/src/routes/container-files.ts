/** Files of containers: the archive behind `docker cp`, export and diff. */
import { constants } from 'node:fs';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { FileChange, PathStat } from '../container-backend.js';
import { type Call, empty, flag, json, type Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';
const TAR = 'application/x-tar';
const KINDS: Readonly<Record<FileChange['kind'], number>> = { modified: 0, added: 1, deleted: 2 };

export function containerFileRoutes({ backend }: RouteContext): Route[] {
  const { node, containers } = backend;
  const find = (call: Call) => node.container(call.params.id ?? '');
  /** The message names the container as the client did. */
  const statOf = async (id: string, call: Call) => {
    const path = pathOf(call);
    try {
      return await containers.statPath(id, path);
    } catch (e) {
      if (!isSwarmtsError(e, 'not-found')) throw e;
      const what = `Could not find the file ${path} in container ${call.params.id}`;
      throw new SwarmtsError('not-found', what, { cause: e });
    }
  };
  return [
    route('HEAD', '/containers/{id}/archive', async (call) => {
      const { id } = await find(call);
      const stat = await statOf(id, call);
      return { kind: 'empty', status: 200, headers: { [STAT_HEADER]: statHeader(stat) } };
    }),
    route('GET', '/containers/{id}/archive', async (call) => {
      const { id } = await find(call);
      const path = pathOf(call);
      const stat = await statOf(id, call);
      const headers = { [STAT_HEADER]: statHeader(stat) };
      return archive(TAR, containers.readArchive(id, path, call.signal), headers);
    }),
    route('PUT', '/containers/{id}/archive', async (call) => {
      const { id } = await find(call);
      const options = { keepKinds: flag(call.query, 'noOverwriteDirNonDir'), ownIds: flag(call.query, 'copyUIDGID') };
      await containers.writeArchive(id, pathOf(call), call.body, options, call.signal);
      return empty(200);
    }),
    route('GET', '/containers/{id}/export', async (call) => {
      const { id } = await find(call);
      return archive('application/octet-stream', containers.exportFiles(id, call.signal));
    }),
    route('GET', '/containers/{id}/changes', async (call) => {
      const changes = await containers.changes((await find(call)).id);
      return json(changes.length === 0 ? null : changes.map((c) => ({ Kind: KINDS[c.kind], Path: c.path })));
    }),
  ];
}

function archive(
  contentType: string,
  bytes: AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    kind: 'stream',
    contentType,
    headers,
    run: async (write) => {
      for await (const chunk of bytes) await write(chunk);
    },
  };
}

/** Relative paths begin at the container's root, as in Docker. */
function pathOf({ query }: Call): string {
  const path = query.get('path') ?? '';
  if (path === '') throw new SwarmtsError('invalid-argument', 'missing parameter in query: path');
  if (path.includes('\0')) throw new SwarmtsError('invalid-argument', 'invalid path: it holds a NUL byte');
  return path.startsWith('/') ? path : `/${path}`;
}

/** Bits of Go's os.FileMode. */
const GO_TYPES: ReadonlyMap<number, number> = new Map([
  [constants.S_IFDIR, 2 ** 31],
  [constants.S_IFLNK, 2 ** 27],
  [constants.S_IFBLK, 2 ** 26],
  [constants.S_IFIFO, 2 ** 25],
  [constants.S_IFSOCK, 2 ** 24],
  [constants.S_IFCHR, 2 ** 26 + 2 ** 21],
]);

function goMode(mode: number): number {
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (GO_TYPES.get(mode & constants.S_IFMT) ?? 0) + special + (mode & 0o777);
}

function statHeader(s: PathStat): string {
  const { name, size, mode, mtimeMs, linkTarget } = s;
  const stat = { name, size, mode: goMode(mode), mtime: new Date(mtimeMs).toISOString(), linkTarget };
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}
