/** `swarmts exec`. */
import { bool, text, texts } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { joinStreams } from '../../container/streams.js';
import { CommandError } from '../../exit.js';
import { readEnvironment } from '../../service/environment.js';

export const command = defineCommand({
  synopsis: 'CONTAINER COMMAND [ARG...]',
  flags: {
    detach: bool('Detached mode: run command in the background', { short: 'd' }),
    'detach-keys': text('Override the key sequence for detaching a container'),
    env: texts('Set environment variables', { short: 'e' }),
    'env-file': texts('Read in a file of environment variables'),
    interactive: bool('Keep STDIN open even if not attached', { short: 'i' }),
    privileged: bool('Give extended privileges to the command'),
    tty: bool('Allocate a pseudo-TTY', { short: 't' }),
    user: text('Username or UID (format: "<name|uid>[:<group|gid>]")', { short: 'u' }),
    workdir: text('Working directory inside the container', { short: 'w' }),
  },
  arity: atLeast(2),
  completes: 'container',
  interspersed: false,
  async run(ctx, f, [ref = '', ...argv]) {
    if (f.interactive && f.tty && !f.detach && !ctx.stdinIsTerminal)
      throw new CommandError('the input device is not a TTY');
    const { Id } = await ctx.api.post<{ readonly Id: string }>(`/containers/${encodeURIComponent(ref)}/exec`, {
      AttachStdin: f.interactive && !f.detach,
      AttachStdout: !f.detach,
      AttachStderr: !f.detach,
      DetachKeys: f['detach-keys'],
      Tty: f.tty,
      Env: readEnvironment(f['env-file'], f.env, ctx.env),
      Cmd: argv,
      User: f.user,
      Privileged: f.privileged,
      WorkingDir: f.workdir,
    });
    if (f.detach) {
      await ctx.api.post(`/exec/${Id}/start`, { Detach: true, Tty: f.tty });
      return;
    }
    const connection = await ctx.api.hijack(`/exec/${Id}/start`, { body: { Detach: false, Tty: f.tty } });
    await joinStreams(ctx, connection, { stdin: f.interactive, tty: f.tty, resizePath: `/exec/${Id}/resize` });
    const { ExitCode } = await ctx.api.get<{ readonly ExitCode: number | null }>(`/exec/${Id}/json`);
    if (ExitCode) throw new CommandError('', ExitCode);
  },
});
