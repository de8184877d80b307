/** Exec and attach: processes of containers whose streams the client gets on the connection itself. */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import type { ExecConfig, ExecInfo, TerminalSize } from '../container-backend.js';
import { consoleSize, isLength } from '../convert/console-size.js';
import { parseDetachKeys } from '../http/detach-keys.js';
import { type Call, empty, flag, json, type Reply, readJson } from '../http/exchange.js';
import { endAndDrain } from '../http/hijack.js';
import { type Route, route } from '../http/router.js';
import { joinSession } from '../http/session-stream.js';
import { frame, streamType } from '../http/stdcopy.js';
import type { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';

export function execRoutes(c: RouteContext): Route[] {
  const { node, containers } = c.backend;
  const id = (call: Call) => call.params.id ?? '';
  return [
    route('POST', '/containers/{id}/exec', async (call) => {
      const config = readExecConfig(await readJson(call));
      const container = await node.container(id(call));
      return json({ Id: await containers.createExec(container.id, config) }, 201);
    }),
    route('GET', '/exec/{id}/json', async (call) => json(execJson(await containers.exec(id(call))))),
    route('POST', '/exec/{id}/start', (call) => startExec(c, call)),
    route('POST', '/exec/{id}/resize', async (call) => {
      const size = sizeOf(call);
      await containers.resizeExec((await containers.exec(id(call))).id, size);
      return empty(200);
    }),
    route('POST', '/containers/{id}/resize', async (call) => {
      await containers.resize((await node.container(id(call))).id, sizeOf(call));
      return empty(200);
    }),
    route('POST', '/containers/{id}/attach', (call) => attach(c, call, 'tcp')),
    route('GET', '/containers/{id}/attach/ws', (call) => attach(c, call, 'websocket')),
  ];
}

async function startExec({ backend }: RouteContext, call: Call): Promise<Reply> {
  const o = await readJson(call);
  const { id, config, state } = await backend.containers.exec(call.params.id ?? '');
  const size = consoleSize(o) ?? config.consoleSize;
  // As Docker: what the client says here, not what the exec is, decides whether its output comes in frames.
  const raw = o.boolean('Tty');
  const options = { detach: o.boolean('Detach'), ...(size ? { size } : {}) };
  if (state !== 'created') {
    throw new SwarmtsError(
      'conflict',
      `Error: Exec command ${id} has already ${state === 'running' ? 'been started' : 'run'}`,
    );
  }
  if (options.detach) {
    await backend.containers.startExec(id, options);
    return empty(200);
  }
  const detachKeys = parseDetachKeys(config.detachKeys);
  return {
    kind: 'hijack',
    contentType: streamType(raw, call.apiVersion),
    run: async (connection) => {
      try {
        const session = await backend.containers.startExec(id, options);
        await joinSession(connection, session, { detachKeys, stdin: config.attachStdin, framed: !raw });
      } catch (e) {
        // The connection is the client's terminal by now: the reason is shown there, the exit code can be asked for.
        const text = Buffer.from(`${messageOf(e)}\r\n`);
        connection.write(raw ? text : frame('stdout', text));
        endAndDrain(connection);
      }
    },
  };
}

/** Over a WebSocket both outputs come as they are. */
async function attach({ backend }: RouteContext, call: Call, protocol: 'tcp' | 'websocket'): Promise<Reply> {
  const { query } = call;
  const detachKeys = parseDetachKeys(query.get('detachKeys') ?? '');
  const container = await backend.node.container(call.params.id ?? '');
  const options = {
    stdin: flag(query, 'stdin'),
    stdout: flag(query, 'stdout'),
    stderr: flag(query, 'stderr'),
    logs: flag(query, 'logs'),
    stream: flag(query, 'stream'),
  };
  const session = await backend.containers.attach(container.id, options);
  return {
    kind: 'hijack',
    protocol,
    contentType: streamType(container.tty, call.apiVersion),
    run: (connection) =>
      joinSession(connection, session, {
        detachKeys,
        stdin: options.stdin,
        framed: protocol === 'tcp' && !session.tty,
      }),
    abandon: () => session.close(),
  };
}

function readExecConfig(o: JsonObject): ExecConfig {
  const argv = o.strings('Cmd');
  if (argv.length === 0) throw new SwarmtsError('invalid-argument', 'No exec command specified');
  const detachKeys = o.string('DetachKeys');
  parseDetachKeys(detachKeys);
  const size = consoleSize(o);
  return {
    ...(size ? { consoleSize: size } : {}),
    argv,
    env: o.strings('Env'),
    user: o.string('User'),
    workingDir: o.string('WorkingDir'),
    privileged: o.boolean('Privileged'),
    tty: o.boolean('Tty'),
    attachStdin: o.boolean('AttachStdin'),
    attachStdout: o.boolean('AttachStdout'),
    attachStderr: o.boolean('AttachStderr'),
    detachKeys,
  };
}

function execJson(e: ExecInfo): Record<string, unknown> {
  const { config } = e;
  return {
    ID: e.id,
    Running: e.state === 'running',
    ExitCode: e.exitCode ?? null,
    ProcessConfig: {
      tty: config.tty,
      entrypoint: config.argv[0] ?? '',
      arguments: config.argv.slice(1),
      privileged: config.privileged,
      ...(config.user === '' ? {} : { user: config.user }),
    },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: e.state === 'ended',
    ContainerID: e.containerId,
    DetachKeys: config.detachKeys,
    Pid: e.pid,
  };
}

function sizeOf({ query }: Call): TerminalSize {
  const read = (name: string) => {
    const text = query.get(name) ?? '';
    const n = Number(text);
    if (text === '' || !isLength(n))
      throw new SwarmtsError('invalid-argument', `invalid resize ${name === 'h' ? 'height' : 'width'} "${text}"`);
    return n;
  };
  return { rows: read('h'), columns: read('w') };
}
