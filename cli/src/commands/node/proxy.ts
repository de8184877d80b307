/**
 * `swarmts node proxy`: a local socket that leads, through the managers, to the API of another node, so that any Docker client can work
 * there: exec, cp, logs, stats. With a command it runs that one with DOCKER_HOST set, and ends with it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinDuplexes } from '@swarmts/lib';
import { text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { CommandError, errorText } from '../../exit.js';
import type { ApiClient } from '../../http/client.js';
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
    const server = await listen(path, ctx.api, node, (message) => ctx.err.write(`${message}\n`));
    try {
      const url = `unix://${path}`;
      if (program !== undefined) {
        const code = await runProgram(program, args, { ...ctx.env, DOCKER_HOST: url, SWARMTS_HOST: url });
        if (code !== 0) throw new CommandError('', code);
        return;
      }
      ctx.out.write(`export DOCKER_HOST=${url}\n`);
      const interrupt = ctx.interrupt();
      await new Promise<void>((resolve) => interrupt.addEventListener('abort', () => resolve(), { once: true }));
    } finally {
      server.close();
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  },
});

function listen(path: string, daemon: ApiClient, node: string, onError: (message: string) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => client.destroy());
    openTunnel(daemon, node).then(
      (tunnel) => {
        joinDuplexes(client, tunnel);
      },
      (e: unknown) => {
        onError(errorText(e));
        client.destroy();
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (e) => reject(new CommandError(`cannot listen on ${path}: ${e.message}`)));
    server.listen(path, () => resolve(server));
  });
}

function runProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    child.once('error', (e) => reject(new CommandError(`cannot run ${program}: ${e.message}`, 127)));
    child.once('close', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}
