/** `swarmts start`. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { attachTo, forwardingSignals, isDetached, waitFor } from '../../container/attach.js';
import { CommandError, forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  flags: {
    attach: bool('Attach STDOUT/STDERR and forward signals', { short: 'a' }),
    'detach-keys': text('Override the key sequence for detaching a container'),
    interactive: bool("Attach container's STDIN", { short: 'i' }),
    'sig-proxy': bool('Proxy all received signals to the process', { initial: true, hidden: true }),
  },
  arity: atLeast(1),
  completes: 'container',
  async run(ctx, f, refs) {
    if (!f.attach && !f.interactive) {
      await forEachTarget(refs, async (ref) => {
        await ctx.api.post(`/containers/${encodeURIComponent(ref)}/start`);
        ctx.out.write(`${ref}\n`);
      });
      return;
    }
    if (refs.length > 1) throw new CommandError('you cannot start and attach multiple containers at once');
    const path = `/containers/${encodeURIComponent(refs[0] ?? '')}`;
    const c = await ctx.api.get<{ Id: string; Config: { Tty: boolean; OpenStdin: boolean } }>(`${path}/json`);
    const { Tty: tty, OpenStdin: isOpen } = c.Config;
    const exit = await waitFor(ctx, c.Id, 'next-exit');
    const stdin = f.interactive && isOpen;
    const detachKeys = f['detach-keys'];
    await forwardingSignals(ctx, c.Id, f['sig-proxy'] && !tty, async (signal) => {
      const join = await attachTo(ctx, { id: c.Id, stdin, stdout: true, stderr: true, tty, detachKeys, signal });
      const streams = join();
      await ctx.api.post(`${path}/start`);
      await streams;
    });
    const code = (await isDetached(ctx, c.Id)) ? 0 : await exit();
    if (code !== 0) throw new CommandError('', code);
  },
});
