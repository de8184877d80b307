/**
 * `swarmts node proxy`: a local socket that leads, through the managers, to the API of another node, so that any Docker client can work
 * there: exec, cp, logs, stats. With a command it runs that one with DOCKER_HOST set, and ends with it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinDuplexes } from '@swarmts/lib';
import { text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Context } from '../../context.js';
import { CommandError, errorText } from '../../exit.js';
import { openTunnel } from '../../http/tunnel.js';

export const command = defineCommand({
  synopsis: 'NODE [COMMAND] [ARG...]',
  flags: { socket: text('Path of the local socket (default: one in a new folder)') },
  arity: atLeast(1),
  interspersed: false,
  completes: 'node',
  async run(ctx, f, [node = '', program, ...args]) {
    await ctx.api.get(`/nodes/${encodeURIComponent(node)}`);
    const folder = f.socket === '' ? mkdtempSync(join(tmpdir(), 'swarmts-')) : undefined;
    const path = folder ? join(folder, 'swarmts.sock') : f.socket;
    const ending = listenForEnd(ctx);
    const clients = new Set<Socket>();
    try {
      const server = await listen(path, ctx, node, clients);
      try {
        const url = `unix://${path}`;
        if (program === undefined) {
          ctx.out.write(`export DOCKER_HOST=${url}\n`);
          await ending.signalled;
          return;
        }
        const env = { ...ctx.env, DOCKER_HOST: url, SWARMTS_HOST: url };
        const code = await runProgram(program, args, env, ending.signalled);
        if (code !== 0) throw new CommandError('', code);
      } finally {
        server.close();
        for (const client of clients) client.destroy();
      }
    } finally {
      ending.close();
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  },
});

interface Ending {
  readonly signalled: Promise<NodeJS.Signals>;
  close(): void;
}

function listenForEnd(ctx: Context): Ending {
  let close = () => {};
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    close = ctx.onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], resolve);
  });
  return { signalled, close: () => close() };
}

function listen(path: string, ctx: Context, node: string, clients: Set<Socket>): Promise<Server> {
  const onError = (message: string) => ctx.err.write(`${message}\n`);
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    openTunnel(ctx.api, node).then(
      (tunnel) => {
        if (client.destroyed) tunnel.destroy();
        else joinDuplexes(client, tunnel);
      },
      (e: unknown) => {
        if (!client.destroyed) onError(errorText(e));
        client.destroy();
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (e) => reject(new CommandError(`cannot listen on ${path}: ${e.message}`)));
    server.listen(path, () => resolve(server));
  });
}

/** Its exit code. What would have ended us ends it; ^C it gets from the terminal itself. */
function runProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signalled: Promise<NodeJS.Signals>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    child.once('error', (e) => reject(new CommandError(`cannot run ${program}: ${e.message}`, 127)));
    child.once('close', (code, signal) => resolve(code ?? (signal ? 128 + constants.signals[signal] : 1)));
    void signalled.then((signal) => signal !== 'SIGINT' && child.kill(signal));
  });
}
