/** `swarmts run`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { attachTo, forwardingSignals, isDetached, waitFor } from '../../container/attach.js';
import { createFromFlags } from '../../container/create.js';
import { createFlags } from '../../container/run-flags.js';
import { CommandError, errorText } from '../../exit.js';
import { ApiError } from '../../http/client.js';

/** Docker's exit codes for a container that did not start. */
const EXIT_DAEMON = 125;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

export const command = defineCommand({
  synopsis: 'IMAGE [COMMAND] [ARG...]',
  flags: {
    ...createFlags,
    detach: bool('Run container in background and print container ID', { short: 'd' }),
    'detach-keys': text('Override the key sequence for detaching a container'),
    'sig-proxy': bool('Proxy received signals to the process', { initial: true }),
  },
  arity: atLeast(1),
  completes: 'image',
  interspersed: false,
  async run(ctx, f, args) {
    if (f.interactive && f.tty && !f.detach && !ctx.stdinIsTerminal)
      throw new CommandError('the input device is not a TTY', 1);
    const id = await orDaemonError(() => createFromFlags(ctx, f, args, !f.detach));
    const start = () => orDaemonError(() => ctx.api.post(`/containers/${id}/start`));
    if (f.detach) {
      await start();
      ctx.out.write(`${id}\n`);
      return;
    }
    const exit = await waitFor(ctx, id, f.rm ? 'removed' : 'next-exit');
    const { interactive: stdin, tty, 'detach-keys': detachKeys } = f;
    await forwardingSignals(ctx, id, f['sig-proxy'], async (signal) => {
      const join = await attachTo(ctx, { id, stdin, stdout: true, stderr: true, tty, detachKeys, signal });
      const streams = join();
      try {
        await start();
      } finally {
        await streams;
      }
    });
    const code = (await isDetached(ctx, id)) ? 0 : await exit();
    if (code !== 0) throw new CommandError('', code);
  },
});

async function orDaemonError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    const message = errorText(e);
    // What the daemon says of the command; a file that the command line names is another matter.
    const said = e instanceof ApiError ? message : '';
    const code = /executable file not found|no such file or directory/.test(said)
      ? EXIT_NOT_FOUND
      : /permission denied|is a directory/.test(said)
        ? EXIT_NOT_EXECUTABLE
        : e instanceof CommandError && e.exitCode !== 1
          ? e.exitCode
          : EXIT_DAEMON;
    throw new CommandError(`swarmts: ${message}.\nSee 'swarmts run --help'.`, code);
  }
}
