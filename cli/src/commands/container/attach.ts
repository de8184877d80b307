/** `swarmts attach`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { attachTo, forwardingSignals, isDetached, waitFor } from '../../container/attach.js';
import { CommandError } from '../../exit.js';

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean };
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
}

export const command = defineCommand({
  synopsis: 'CONTAINER',
  flags: {
    'detach-keys': text('Override the key sequence for detaching a container'),
    'no-stdin': bool('Do not attach STDIN'),
    'sig-proxy': bool('Proxy all received signals to the process', { initial: true }),
  },
  arity: exactly(1),
  completes: 'container',
  async run(ctx, f, [ref = '']) {
    const c = await ctx.api.get<Inspected>(`/containers/${encodeURIComponent(ref)}/json`);
    if (!c.State.Running) throw new CommandError('cannot attach to a stopped container, start it first');
    if (c.State.Paused) throw new CommandError('cannot attach to a paused container, unpause it first');
    if (c.State.Restarting) throw new CommandError('cannot attach to a restarting container, wait until it is running');
    const exit = await waitFor(ctx, c.Id, '');
    const stdin = !f['no-stdin'] && c.Config.OpenStdin;
    const detachKeys = f['detach-keys'];
    const tty = c.Config.Tty;
    await forwardingSignals(ctx, c.Id, f['sig-proxy'] && !tty, async (signal) => {
      const join = await attachTo(ctx, { id: c.Id, stdin, stdout: true, stderr: true, tty, detachKeys, signal });
      await join();
    });
    const code = (await isDetached(ctx, c.Id)) ? 0 : await exit();
    if (code !== 0) throw new CommandError('', code);
  },
});
